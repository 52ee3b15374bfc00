# g-formula and augmented inverse probability weighting, the equations written out in base R, on data that MASS ships.
suppressMessages(library(jsonlite))
sites <- read.csv("tests/golden/data/sites.csv")
births <- within(read.csv("tests/golden/data/births.csv"), race <- factor(race, c("white", "black", "other")))
pima <- within(read.csv("tests/golden/data/pima.csv"), ageband <- factor(ageband, c("young", "middle", "old")))
births$site <- factor(sites$site[sites$data == "births"]); pima$site <- factor(sites$site[sites$data == "pima"])
tight <- glm.control(epsilon = 1e-15, maxit = 100)

fit <- function(formula, data, binary, hospitals) {
  full <- if (hospitals == "own") update(formula, . ~ . + site) else formula
  m <- if (binary) eval(bquote(glm(.(full), binomial, data, control = tight))) else eval(bquote(lm(.(full), data)))
  X <- model.matrix(m)
  v <- if (binary) solve(crossprod(X * sqrt(fitted(m) * (1 - fitted(m))))) else solve(crossprod(X)) * sum(resid(m)^2) / m$df.residual
  list(b = coef(m), se = sqrt(diag(v)), full = full)
}
one <- function(data, formula, gagyo, treatment, estimator, hospitals = "own", propensity = NULL, gagyo_propensity = "",
                low = 0, high = 1) {
  d <- get(data); a <- d[[treatment]]; outcome <- all.vars(formula)[1]; y <- d[[outcome]]; n <- nrow(d)
  binary <- all(y %in% 0:1); link <- if (binary) plogis else identity
  models <- lapply(c(1, 0), function(arm) fit(formula, d[a == arm, ], binary, hospitals))
  X <- model.matrix(models[[1]]$full, d); m <- sapply(models, function(f) link(drop(X %*% f$b)))
  if (estimator == "aipw") {
    e <- fit(propensity, d, TRUE, hospitals); e <- pmin(pmax(plogis(drop(model.matrix(e$full, d) %*% e$b)), low), high)
    phi <- cbind(m[, 1] + a * (y - m[, 1]) / e, m[, 2] + (1 - a) * (y - m[, 2]) / (1 - e))
    mu <- colMeans(phi); V <- crossprod(sweep(phi, 2, mu)) / n^2
  } else {
    mu <- colMeans(m); p <- ncol(X); arms <- cbind(a, 1 - a)
    slope <- if (binary) m * (1 - m) else 0 * m + 1
    psi <- do.call(cbind, c(lapply(1:2, function(g) X * (arms[, g] * (y - m[, g]))), list(sweep(m, 2, mu))))
    A <- matrix(0, 2 * p + 2, 2 * p + 2)
    for (g in 1:2) { at <- (g - 1) * p + 1:p
      A[at, at] <- -crossprod(X * (arms[, g] * slope[, g]), X); A[2 * p + g, at] <- colSums(X * slope[, g]) }
    A[2 * p + 1:2, 2 * p + 1:2] <- -n * diag(2)
    size <- sqrt(rowSums(A^2)); scale <- sqrt(colSums((A / size)^2))
    inverse <- (1 / scale) * solve(t(t(A / size) / scale)) %*% diag(1 / size)
    V <- (inverse %*% crossprod(psi) %*% t(inverse))[2 * p + 1:2, 2 * p + 1:2]
  }
  grad <- function(g) sqrt(drop(t(g) %*% V %*% g))
  effects <- list(difference = c(mu[1] - mu[2], grad(c(1, -1))))
  if (binary) effects <- c(effects, list(risk_ratio = c(mu[1] / mu[2], grad(c(1, -1) / mu)),
    odds_ratio = c(exp(qlogis(mu[1]) - qlogis(mu[2])), grad(c(1, -1) / (mu * (1 - mu))))))
  keep <- !grepl("^site", names(models[[1]]$b)) & (hospitals == "pooled" | names(models[[1]]$b) != "(Intercept)")
  list(data = data, formula = gagyo, treatment = treatment, estimator = estimator, hospitals = hospitals,
    propensity = gagyo_propensity, low = low, high = high, people = n, effects = effects, means = mu,
    errors = sqrt(diag(V)), treated = unname(models[[1]]$b[keep]), untreated = unname(models[[2]]$b[keep]),
    treated_errors = unname(models[[1]]$se[keep]), untreated_errors = unname(models[[2]]$se[keep]))
}
smoke <- function(formula, gagyo, ...) one("births", formula, gagyo, "smoke", ..., propensity = smoke ~ age + lwt)
sugar <- function(formula, gagyo, ...) one("pima", formula, gagyo, "diabetic", ..., propensity = diabetic ~ bmi + age)
low <- function(...) smoke(low ~ age, "low ~ age", ...)
weight <- function(...) smoke(bwt ~ lwt, "bwt ~ lwt", ...)
pressure <- function(...) sugar(bp ~ bmi + ageband, "bp ~ bmi + C(ageband)", ...)
doubly <- "smoke ~ age + lwt"
cases <- list(low_g = low(estimator = "g_formula"), low_g_pooled = low(estimator = "g_formula", hospitals = "pooled"),
  low_aipw = low(estimator = "aipw", gagyo_propensity = doubly), weight_g = weight(estimator = "g_formula"),
  weight_aipw = weight(estimator = "aipw", gagyo_propensity = doubly, hospitals = "pooled"),
  pressure_g = pressure(estimator = "g_formula"), pressure_g_pooled = pressure(estimator = "g_formula", hospitals = "pooled"),
  pressure_aipw = pressure(estimator = "aipw", gagyo_propensity = "diabetic ~ bmi + age", low = 0.1, high = 0.8))
out <- list(script = "tests/golden/r/standardisation.R", R = R.version.string, cases = cases)
write_json(out, "tests/golden/standardisation.json", digits = NA, auto_unbox = TRUE)
