# Propensity weights with stacked sandwich errors, written out from the estimating equations, on data that MASS ships.
suppressMessages({library(survey); library(jsonlite)})
sites <- read.csv("tests/golden/data/sites.csv")
births <- within(read.csv("tests/golden/data/births.csv"), race <- factor(race, c("white", "black", "other")))
pima <- within(read.csv("tests/golden/data/pima.csv"), ageband <- factor(ageband, c("young", "middle", "old")))
births$site <- factor(sites$site[sites$data == "births"]); pima$site <- factor(sites$site[sites$data == "pima"])
tight <- glm.control(epsilon = 1e-15, maxit = 100)

weigh <- function(e, a, share, w) {
  e <- pmin(pmax(e, w$low), w$high)
  raw <- switch(w$estimand, ate = ifelse(a == 1, 1 / e, 1 / (1 - e)), att = ifelse(a == 1, 1, e / (1 - e)),
    ato = ifelse(a == 1, 1 - e, e))
  if (w$stabilised) raw <- raw * ifelse(a == 1, share, 1 - share)
  pmin(raw, w$largest)
}
# All equations of theta = (propensity, share, mean of treated, mean of untreated), one row a person.
equations <- function(theta, X, a, y, w) {
  p <- ncol(X); e <- plogis(drop(X %*% theta[1:p])); k <- weigh(e, a, theta[p + 1], w)
  cbind(X * (a - e), a - theta[p + 1], k * a * (y - theta[p + 2]), k * (1 - a) * (y - theta[p + 3]))
}
# The derivative of their sum, by hand; where a bound holds a weight, nothing moves. Differences check it below.
slopes <- function(theta, X, a, y, w) {
  p <- ncol(X); eta <- drop(X %*% theta[1:p]); e <- plogis(eta); s <- theta[p + 1]; k <- weigh(e, a, s, w)
  free <- e > w$low & e < w$high & k < w$largest; d <- e * (1 - e)
  g <- switch(w$estimand, ate = ifelse(a == 1, -1 / e^2, 1 / (1 - e)^2), att = ifelse(a == 1, 0, 1 / (1 - e)^2),
    ato = ifelse(a == 1, -1, 1)) * d * free
  h <- 0 * e
  if (w$stabilised) { g <- g * ifelse(a == 1, s, 1 - s)
    h <- ifelse(a == 1, 1, -1) / ifelse(a == 1, pmin(pmax(e, w$low), w$high), 1 - pmin(pmax(e, w$low), w$high)) * (k < w$largest) }
  A <- matrix(0, p + 3, p + 3)
  A[1:p, 1:p] <- -crossprod(X * d, X); A[p + 1, p + 1] <- -length(a)
  for (j in 1:2) { arm <- if (j == 1) a else 1 - a; away <- arm * (y - theta[p + 1 + j])
    A[p + 1 + j, 1:p] <- colSums(X * g * away); A[p + 1 + j, p + 1] <- sum(h * away); A[p + 1 + j, p + 1 + j] <- -sum(k * arm) }
  A
}
smd <- function(x, a, w) { m <- function(g, w) sum(w[g] * x[g]) / sum(w[g])
  (m(a == 1, w) - m(a == 0, w)) / sqrt((var(x[a == 1]) + var(x[a == 0])) / 2) }
spread <- function(x, w) { m <- weighted.mean(x, w); sum(w * (x - m)^2) * sum(w) / (sum(w)^2 - sum(w^2)) }

one <- function(data, formula, gagyo, outcome, covariates, estimand, hospitals = "own", stabilised = FALSE, low = 0,
                high = 1, largest = Inf) {
  d <- get(data); w <- list(estimand = estimand, stabilised = stabilised, low = low, high = high, largest = largest)
  full <- if (hospitals == "own") update(formula, . ~ . + site) else formula
  m <- eval(bquote(glm(.(full), binomial, d, control = tight))); X <- model.matrix(m)
  a <- m$y; y <- d[[outcome]]; e <- fitted(m); share <- mean(a); k <- weigh(e, a, share, w)
  mu <- c(sum(k * a * y) / sum(k * a), sum(k * (1 - a) * y) / sum(k * (1 - a)))
  design <- svydesign(ids = ~1, weights = ~k, data = data.frame(y = y, a = factor(a), k = k))
  stopifnot(all.equal(rev(mu), unname(coef(svyby(~y, ~a, design, svymean))), tolerance = 1e-12))
  theta <- c(coef(m), share, mu); A <- slopes(theta, X, a, y, w)
  near <- sapply(seq_along(theta), function(j) { h <- 1e-6 * max(1, abs(theta[j])); t1 <- t0 <- theta; t1[j] <- t1[j] + h
    t0[j] <- t0[j] - h; (colSums(equations(t1, X, a, y, w)) - colSums(equations(t0, X, a, y, w))) / (2 * h) })
  stopifnot(max(abs(near - A)) < 1e-4 * max(abs(A)))
  size <- sqrt(diag(crossprod(A))); inverse <- solve(A / size) %*% diag(1 / size)
  V <- inverse %*% crossprod(equations(theta, X, a, y, w)) %*% t(inverse); p <- ncol(X)
  V <- V[p + 2:3, p + 2:3]; grad <- function(g) sqrt(drop(t(g) %*% V %*% g)); binary <- all(y %in% 0:1)
  effects <- list(difference = c(mu[1] - mu[2], grad(c(1, -1))))
  if (binary) effects <- c(effects, list(risk_ratio = c(mu[1] / mu[2], grad(c(1, -1) / mu)),
    odds_ratio = c(exp(qlogis(mu[1]) - qlogis(mu[2])), grad(c(1, -1) / (mu * (1 - mu))))))
  cols <- do.call(cbind, lapply(covariates, function(v) { x <- d[[v]]
    if (is.factor(x)) { z <- sapply(levels(x), function(l) 1 * (x == l)); colnames(z) <- paste0(v, ".", levels(x)); z }
    else { z <- cbind(x); colnames(z) <- v; z } }))
  names <- setdiff(names(coef(m)), grep("^site", names(coef(m)), value = TRUE)); if (hospitals == "own") names <- setdiff(names, "(Intercept)")
  se <- sqrt(diag(vcov(m)))[names]
  X0 <- model.matrix(m); se <- sqrt(diag(solve(crossprod(X0 * sqrt(e * (1 - e))))))[match(names, colnames(X0))]
  kish <- function(g) sum(k[g])^2 / sum(k[g]^2)
  list(data = data, formula = gagyo, outcome = outcome, estimand = estimand, hospitals = hospitals, stabilised = stabilised,
    low = low, high = high, largest = if (is.finite(largest)) largest else NULL, people = length(a), effects = effects,
    means = mu, errors = sqrt(diag(V)), effective = c(kish(a == 1), kish(a == 0)),
    by_site = lapply(levels(d$site), function(s) c(kish(a == 1 & d$site == s), kish(a == 0 & d$site == s))),
    propensity = unname(coef(m)[names]), propensity_errors = unname(se), columns = colnames(cols),
    before = unname(apply(cols, 2, smd, a, rep(1, length(a)))), after = unname(apply(cols, 2, smd, a, k)),
    ratio_before = unname(apply(cols, 2, function(x) var(x[a == 1]) / var(x[a == 0]))),
    ratio_after = unname(apply(cols, 2, function(x) spread(x[a == 1], k[a == 1]) / spread(x[a == 0], k[a == 0]))))
}
smoke <- function(...) one("births", smoke ~ age + lwt, "smoke ~ age + lwt", ..., covariates = c("age", "lwt"))
sugar <- function(...) one("pima", diabetic ~ bmi + ageband * ped, "diabetic ~ bmi + C(ageband) * ped", ..., covariates = c("bmi", "ageband", "ped"))
cases <- list(low_ate = smoke("low", estimand = "ate"), low_stable = smoke("low", estimand = "ate", stabilised = TRUE, largest = 1.6),
  low_att = smoke("low", estimand = "att"), low_ato = smoke("low", estimand = "ato"),
  weight_ate = smoke("bwt", estimand = "ate", low = 0.25, high = 0.6), weight_pooled = smoke("bwt", estimand = "ate", hospitals = "pooled"),
  low_pooled = smoke("low", estimand = "att", hospitals = "pooled", low = 0.2, high = 0.65),
  pressure_ate = sugar("bp", estimand = "ate", largest = 4), pressure_att = sugar("bp", estimand = "att"),
  pressure_ato = sugar("bp", estimand = "ato"), sugar_stable = sugar("glu", estimand = "ate", stabilised = TRUE, low = 0.08, high = 0.9, largest = 3))
out <- list(script = "tests/golden/r/weighting.R", R = R.version.string, survey = as.character(packageVersion("survey")), cases = cases)
write_json(out, "tests/golden/weighting.json", digits = NA, auto_unbox = TRUE, null = "null")
