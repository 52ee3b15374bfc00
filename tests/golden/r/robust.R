# HC2 and HC3 by sandwich's vcovHC, and errors over clusters by clubSandwich and vcovCL, on data of regression.R, glm.R
# and mixed.R. R's glm keeps the weights of the last step but one: here leverages are those of the coefficients themselves.
suppressMessages({library(MASS); library(sandwich); library(clubSandwich); library(jsonlite)})
tight <- glm.control(epsilon = 1e-15, maxit = 200)
births <- within(read.csv("tests/golden/data/births.csv"), race <- factor(race, c("white", "black", "other")))
pima <- within(read.csv("tests/golden/data/pima.csv"), ageband <- factor(ageband, c("young", "middle", "old")))
pupils <- read.csv("tests/golden/data/pupils.csv")
pupils$pass <- as.integer(pupils$lang >= 42); pupils$count <- round(pupils$lang)
pupils$group <- interaction(pupils$hospital, pupils$class, drop = TRUE)
root <- function(v) unname(sqrt(diag(as.matrix(v))))

# Of a model: design, score's factor and information's weight by person.
parts <- function(m) {
  X <- model.matrix(m); y <- unname(model.response(model.frame(m)))
  if (!inherits(m, "glm")) return(list(X = X, f = y - drop(X %*% coef(m)), w = rep(1, nrow(X))))
  eta <- drop(X %*% coef(m)) + if (is.null(m$offset)) 0 else m$offset
  mu <- m$family$linkinv(eta); d <- m$family$mu.eta(eta); v <- m$family$variance(mu)
  list(X = X, f = (y - mu) * d / v, w = d^2 / v)
}
people <- function(m, method, gagyo, data, more = "") {
  p <- parts(m); M <- solve(crossprod(p$X * sqrt(p$w))); h <- p$w * rowSums((p$X %*% M) * p$X)
  one <- function(k) M %*% crossprod(p$X * p$f / (1 - h)^k) %*% M
  stopifnot(all.equal(one(1), unname(vcovHC(m, type = "HC3")), check.attributes = FALSE, tolerance = 1e-5))
  stopifnot(all.equal(one(0.5), unname(vcovHC(m, type = "HC2")), check.attributes = FALSE, tolerance = 1e-5))
  list(method = method, formula = gagyo, data = data, more = more, HC2 = root(one(0.5)), HC3 = root(one(1)))
}
clusters <- function(m, method, gagyo, by, more = "") {
  g <- if (by == "hospital") pupils$hospital else pupils$group
  p <- parts(m); M <- solve(crossprod(p$X * sqrt(p$w))); n <- nrow(p$X); G <- length(unique(g))
  cr0 <- M %*% crossprod(rowsum(p$X * p$f, g)) %*% M
  by_club <- as.matrix(vcovCR(m, cluster = g, type = "CR1S"))
  stopifnot(all.equal(cr0 * G / (G - 1) * (n - 1) / (n - ncol(p$X)), unname(by_club), check.attributes = FALSE, tolerance = 1e-6))
  stopifnot(all.equal(cr0 * G / (G - 1), unname(vcovCL(m, g, type = "HC0")), check.attributes = FALSE, tolerance = 1e-6))
  out <- list(method = method, formula = gagyo, cluster = by, more = more, clusters = G, CR0 = root(cr0),
    CR1 = root(cr0 * G / (G - 1)), CR1S = root(cr0 * G / (G - 1) * (n - 1) / (n - ncol(p$X))))
  v <- vcovCR(m, cluster = g, type = "CR2")
  c(out, list(CR2 = root(v), freedom = coef_test(m, vcov = v, test = "Satterthwaite")$df))
}
# Again from where it ended, so that the weights that glm keeps, and clubSandwich takes, are those of the end.
fit <- function(...) { m <- glm(..., control = tight); for (i in 1:30) m <- glm(..., control = tight, start = coef(m)); m }
cases <- list(
  linear = people(lm(bmi ~ skin + age + bp, pima), "linear", "bmi ~ skin + age + bp", "pima"),
  factors = people(lm(bwt ~ lwt + race + smoke, births), "linear", "bwt ~ lwt + C(race) + smoke", "births"),
  no_intercept = people(lm(bmi ~ skin + glu - 1, pima), "linear", "bmi ~ skin + glu - 1", "pima"),
  logistic = people(fit(diabetic ~ npreg + glu + bmi + ped, binomial, pima), "logistic", "diabetic ~ npreg + glu + bmi + ped", "pima"),
  interaction = people(fit(diabetic ~ ageband * glu, binomial, pima), "logistic", "diabetic ~ C(ageband) * glu", "pima"),
  low = people(fit(low ~ age + lwt + race + smoke, binomial, births), "logistic", "low ~ age + lwt + C(race) + smoke", "births"),
  probit = people(fit(diabetic ~ glu + bmi + ageband, binomial("probit"), pima), "glm", "diabetic ~ glu + bmi + C(ageband)", "pima", "family: binomial, link: probit"),
  rate = people(fit(npreg ~ bmi + diabetic + offset(log(age)), poisson, pima), "glm", "npreg ~ bmi + diabetic", "pima", "family: poisson, exposure: age"),
  risk = people(fit(low ~ lwt + smoke, poisson, births), "glm", "low ~ lwt + smoke", "births", "family: poisson"),
  cost = people(fit(bmi ~ skin + age + diabetic, Gamma("log"), pima), "glm", "bmi ~ skin + age + diabetic", "pima", "family: gamma"))
grouped <- list()
for (by in c("class", "hospital")) {
  grouped[[paste0("linear_", by)]] <- clusters(lm(lang ~ verbal + ses, pupils), "linear", "lang ~ verbal + ses", by)
  grouped[[paste0("logistic_", by)]] <- clusters(fit(pass ~ verbal + ses, binomial, pupils), "logistic", "pass ~ verbal + ses", by)
  grouped[[paste0("counts_", by)]] <- clusters(fit(count ~ verbal + ses, poisson, pupils), "glm", "count ~ verbal + ses", by, "family: poisson")
}
grouped$probit_class <- clusters(fit(pass ~ verbal + ses, binomial("probit"), pupils), "glm", "pass ~ verbal + ses", "class", "family: binomial, link: probit")
# With `verbal` some variances are under 1e-6, whose squares clubSandwich takes for none.
grouped$cloglog_hospital <- clusters(fit(pass ~ ses, binomial("cloglog"), pupils), "glm", "pass ~ ses", "hospital", "family: binomial, link: cloglog")
grouped$cost_class <- clusters(fit(count ~ verbal + comb, Gamma("log"), pupils), "glm", "count ~ verbal + comb", "class", "family: gamma")
out <- list(script = "tests/golden/r/robust.R", R = R.version.string, sandwich = as.character(packageVersion("sandwich")),
  clubSandwich = as.character(packageVersion("clubSandwich")), cases = cases, grouped = grouped)
write_json(out, "tests/golden/robust.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", na = "null")
