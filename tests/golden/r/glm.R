# Generalised linear models by R's glm, with sandwich's formula, on data that MASS ships.
suppressMessages({library(MASS); library(sandwich); library(jsonlite)})
tight <- glm.control(epsilon = 1e-15, maxit = 200)
births <- within(read.csv("tests/golden/data/births.csv"), race <- factor(race, c("white", "black", "other")))
pima <- within(read.csv("tests/golden/data/pima.csv"), ageband <- factor(ageband, c("young", "middle", "old")))

one <- function(formula, family, data, gagyo, exposure = "", offset = "", link = family$link, name = family$family) {
  m <- eval(bquote(glm(.(formula), family, data, control = tight)))
  # A deviance that no longer moves leaves half of the figures of coefficients where the link is not canonical: again from there.
  for (i in 1:30) m <- eval(bquote(glm(.(formula), family, data, control = tight, start = .(coef(m)))))
  X <- model.matrix(m); eta <- drop(X %*% coef(m)) + if (is.null(m$offset)) 0 else m$offset
  mu <- family$linkinv(eta); d <- family$mu.eta(eta); v <- family$variance(mu)
  bread <- solve(crossprod(X * sqrt(d^2 / v))); n <- nrow(X)
  pearson <- sum((m$y - mu)^2 / v); spread <- name %in% c("Gamma", "gaussian"); phi <- if (spread) pearson / m$df.residual else 1
  hc0 <- bread %*% crossprod(X * ((m$y - mu) * d / v)) %*% bread
  stopifnot(all.equal(hc0, unname(sandwich(m)), check.attributes = FALSE, tolerance = 1e-5))
  errors <- lapply(list(none = phi * bread, HC0 = hc0, HC1 = hc0 * n / (n - ncol(X))), function(u) unname(sqrt(diag(u))))
  off <- if (is.null(m$offset)) numeric(n) else m$offset
  null <- glm.fit(matrix(1, n), m$y, family = family, offset = off, control = tight)
  chi <- null$deviance - m$deviance; df <- null$df.residual - m$df.residual
  test <- if (spread) c(chi / df / phi, pf(chi / df / phi, df, m$df.residual, lower.tail = FALSE)) else
    c(chi, pchisq(chi, df, lower.tail = FALSE))
  if ((exposure != "" || offset != "") && name == "binomial") {  # the null model is not fitted: Wald's test
    b <- coef(m)[-1]; wald <- drop(b %*% solve(bread[-1, -1], b)); test <- c(wald, pchisq(wald, df, lower.tail = FALSE)) }
  p <- unname(summary(m)$coefficients[, 4])
  c(list(data = deparse(substitute(data)), formula = gagyo, family = tolower(sub("quasi", "", name)), link = link,
    exposure = exposure, offset = offset, people = n, coefficients = unname(coef(m)), pearson = pearson / m$df.residual,
    deviance = m$deviance, log_likelihood = as.numeric(logLik(m)), test = test, df = df, p = p), errors)
}
cases <- list(
  probit = one(diabetic ~ glu + bmi + ageband, binomial("probit"), pima, "diabetic ~ glu + bmi + C(ageband)"),
  cloglog = one(low ~ age + lwt + smoke, binomial("cloglog"), births, "low ~ age + lwt + smoke"),
  counts = one(npreg ~ age + bmi + diabetic, poisson(), pima, "npreg ~ age + bmi + diabetic"),
  factors = one(npreg ~ ageband * glu, poisson(), pima, "npreg ~ C(ageband) * glu"),
  rate = one(npreg ~ bmi + diabetic + offset(log(age)), poisson(), pima, "npreg ~ bmi + diabetic", "age"),
  hazard = one(diabetic ~ glu + bmi + ageband + offset(log(age)), binomial("cloglog"), pima, "diabetic ~ glu + bmi + C(ageband)", "age"),
  logit_offset = one(diabetic ~ glu + ageband + offset(ped), binomial(), pima, "diabetic ~ glu + C(ageband)", offset = "ped"),
  probit_offset = one(diabetic ~ glu + bmi + offset(ped), binomial("probit"), pima, "diabetic ~ glu + bmi", offset = "ped"),
  cloglog_offset = one(diabetic ~ bmi + age + offset(ped), binomial("cloglog"), pima, "diabetic ~ bmi + age", offset = "ped"),
  counts_offset = one(npreg ~ age + diabetic + offset(ped), poisson(), pima, "npreg ~ age + diabetic", offset = "ped"),
  cost_offset = one(bmi ~ skin + diabetic + offset(ped), Gamma("log"), pima, "bmi ~ skin + diabetic", offset = "ped"),
  change_offset = one(glu ~ bmi * diabetic + offset(bp), gaussian(), pima, "glu ~ bmi * diabetic", offset = "bp"),
  risk = one(low ~ lwt + smoke, poisson(), births, "low ~ lwt + smoke"),
  cost = one(bmi ~ skin + age + diabetic, Gamma("log"), pima, "bmi ~ skin + age + diabetic"),
  weight = one(bwt ~ lwt + race + smoke, Gamma("log"), births, "bwt ~ lwt + C(race) + smoke"))
out <- list(script = "tests/golden/r/glm.R", R = R.version.string, sandwich = as.character(packageVersion("sandwich")),
  cases = cases)
write_json(out, "tests/golden/glm.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", na = "null")
