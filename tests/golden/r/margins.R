# Average marginal effects by their definition in base R, on Pima women (MASS), as glm fits them with a tight limit: predict()
# at moved values, slopes by Richardson's extrapolation (numDeriv) through rms's spline basis, and the delta method with the
# averages' derivatives in the coefficients moved in the same way. HC0 by sandwich.
suppressMessages({library(numDeriv); library(rms); library(sandwich); library(jsonlite)})
d <- read.csv("tests/golden/data/pima.csv"); d$ageband <- factor(d$ageband, c("young", "middle", "old"))
d$diabetic <- as.integer(d$diabetic == 1 | d$diabetic == "TRUE" | d$diabetic == "true" | d$diabetic == "Yes")
d <- d[complete.cases(d), ]
tight <- glm.control(epsilon = 1e-14, maxit = 200)
one <- function(gagyo, method, more, formula, family, numbers, levels, hc = FALSE, offset = NULL) {
  m <- glm(formula, family, d, control = tight)
  for (i in 1:12) m <- glm(formula, family, d, control = tight, start = coef(m))  # vcov is of the step before
  b <- coef(m); V <- if (hc) vcovHC(m, "HC0") else vcov(m)
  tt <- delete.response(terms(m))
  at <- function(data) {  # the mean over people, and its derivatives in the coefficients
    X <- model.matrix(tt, data, xlev = m$xlevels); eta <- drop(X %*% b) + if (is.null(offset)) 0 else d[[offset]]
    c(mean(family$linkinv(eta)), colMeans(family$mu.eta(eta) * X))
  }
  moved <- function(x, z) { e <- d; e[[x]] <- z; e }
  slope <- function(x) drop(jacobian(function(s) at(moved(x, d[[x]] + s)), 0, method.args = list(eps = 0.01, r = 5)))
  parts <- do.call(rbind, c(lapply(numbers, slope),
    lapply(levels, function(l) at(moved(l[[1]], l[[3]])) - at(moved(l[[1]], l[[2]])))))
  value <- parts[, 1]; J <- parts[, -1, drop = FALSE]
  names <- c(numbers, vapply(levels, function(l) if (is.factor(l[[3]])) sprintf("%s[%s]", l[[1]], l[[3]]) else l[[1]], ""))
  list(method = method, formula = gagyo, more = more, names = names, values = value, errors = sqrt(diag(J %*% V %*% t(J))))
}
band <- function(l) list("ageband", factor("young", levels(d$ageband)), factor(l, levels(d$ageband)))
knots <- c(80, 110, 130, 170)
cases <- list(
  plain = one("diabetic ~ glu + bmi + C(ageband)", "logistic", "", diabetic ~ glu + bmi + ageband, binomial(), c("glu", "bmi"), list(band("middle"), band("old"))),
  robust = one("diabetic ~ glu + bmi + C(ageband)", "logistic", "robust: HC0", diabetic ~ glu + bmi + ageband, binomial(), c("glu", "bmi"), list(band("middle"), band("old")), TRUE),
  curved = one("diabetic ~ rcs(glu, 80, 110, 130, 170) * bmi + C(ageband)", "logistic", "", diabetic ~ rcs(glu, knots) * bmi + ageband, binomial(), c("glu", "bmi"), list(band("middle"), band("old"))),
  probit = one("diabetic ~ glu + bmi", "glm", "family: binomial, link: probit", diabetic ~ glu + bmi, binomial("probit"), c("glu", "bmi"), list()),
  cloglog = one("diabetic ~ glu + bmi", "glm", "family: binomial, link: cloglog", diabetic ~ glu + bmi, binomial("cloglog"), c("glu", "bmi"), list()),
  logit_offset = one("diabetic ~ glu + C(ageband)", "glm", "family: binomial, link: logit, offset: ped, robust: HC0", diabetic ~ glu + ageband + offset(ped), binomial(), "glu", list(band("middle"), band("old")), TRUE, "ped"),
  gaussian_offset = one("glu ~ bmi * diabetic", "glm", "family: gaussian, link: identity, offset: bp", glu ~ bmi * diabetic + offset(bp), gaussian(), "bmi", list(list("diabetic", 0, 1)), offset = "bp"),
  gamma = one("bmi ~ skin + diabetic + age:diabetic + age", "glm", "family: gamma", bmi ~ skin + diabetic + age + age:diabetic, Gamma("log"), c("skin", "age"), list(list("diabetic", 0, 1))))
out <- list(script = "tests/golden/r/margins.R", R = R.version.string, rms = as.character(packageVersion("rms")), sandwich = as.character(packageVersion("sandwich")), cases = cases)
write_json(out, "tests/golden/margins.json", digits = NA, auto_unbox = TRUE)
for (k in names(cases)) cat(k, cases[[k]]$names, cases[[k]]$values, cases[[k]]$errors, "\n")
