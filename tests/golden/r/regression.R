# Table 1, linear and logistic regression by R, on data that MASS ships: births at Baystate, and diabetes in Pima women.
suppressMessages({library(MASS); library(sandwich); library(Hmisc); library(jsonlite)})

births <- within(birthwt, {
  race <- factor(race, labels = c("white", "black", "other"))
  kilos <- lwt * 0.45359237
})[, c("low", "age", "lwt", "race", "smoke", "bwt", "kilos")]
pima <- rbind(Pima.tr, Pima.te)
pima$diabetic <- as.integer(pima$type == "Yes")
pima$ageband <- cut(pima$age, c(0, 25, 35, 100), labels = c("young", "middle", "old"))
pima <- pima[, c("npreg", "glu", "bp", "skin", "bmi", "ped", "age", "ageband", "diabetic")]
write.csv(births, "tests/golden/data/births.csv", row.names = FALSE, quote = FALSE)
write.csv(pima, "tests/golden/data/pima.csv", row.names = FALSE, quote = FALSE)

# The likelihood-ratio test of each term: the same columns without the term's own.
drop_terms <- function(fit, X, y, family) {
  ids <- attr(X, "assign")
  ids <- if (is.null(ids)) NULL else setdiff(unique(ids), 0)
  tests <- lapply(ids, function(id) {
    keep <- attr(X, "assign") != id
    less <- glm.fit(X[, keep, drop = FALSE], y, family = family, control = tight)
    chi <- less$deviance - fit$deviance
    df <- fit$rank - less$rank
    c(chi, df, if (df > 0) pchisq(chi, df, lower.tail = FALSE) else 1)
  })
  do.call(rbind, tests)
}
tight <- glm.control(epsilon = 1e-14, maxit = 100)
errors <- function(fit, type) {
  v <- if (type == "none") vcov(fit) else vcovHC(fit, type = type)
  unname(sqrt(diag(v)))
}
told <- function(fit) list(terms = names(coef(fit)), coefficients = unname(coef(fit)), none = errors(fit, "none"),
  HC0 = errors(fit, "HC0"), HC1 = errors(fit, "HC1"))
logistic <- function(formula, data, gagyo) {
  m <- glm(formula, binomial, data, control = tight)
  X <- model.matrix(m)
  # glm keeps the weights of the last step but one: here the information is that of the coefficients themselves.
  mu <- plogis(drop(X %*% coef(m))); bread <- solve(crossprod(X * sqrt(mu * (1 - mu)))); meat <- crossprod(X * (m$y - mu))
  n <- nrow(X); robust <- bread %*% meat %*% bread
  out <- list(none = bread, HC0 = robust, HC1 = robust * n / (n - ncol(X)))
  stopifnot(all.equal(out$HC0, unname(sandwich(m)), check.attributes = FALSE, tolerance = 1e-6))
  c(lapply(out, function(v) unname(sqrt(diag(v)))),
    list(data = deparse(substitute(data)), formula = gagyo, people = nrow(data), log_likelihood = as.numeric(logLik(m)),
    drop = drop_terms(m, X, m$y, binomial()), terms = names(coef(m)), coefficients = unname(coef(m))))
}
linear <- function(formula, data, gagyo) {
  m <- lm(formula, data); s <- summary(m)
  c(list(data = deparse(substitute(data)), formula = gagyo, people = nrow(data), r_squared = s$r.squared,
    sigma = s$sigma, f = unname(s$fstatistic[1])), told(m))
}
spline <- function(x, ...) rcspline.eval(x, c(...), inclx = TRUE, norm = 2)

logistics <- list(
  plain = logistic(diabetic ~ npreg + glu + bmi + ped, pima, "diabetic ~ npreg + glu + bmi + ped"),
  factors = logistic(low ~ age + lwt + race + smoke, births, "low ~ age + lwt + C(race) + smoke"),
  interaction = logistic(diabetic ~ glu * bmi + age:ped, pima, "diabetic ~ glu * bmi + age:ped"),
  factor_by_number = logistic(diabetic ~ ageband * glu, pima, "diabetic ~ C(ageband) * glu"),
  no_intercept = logistic(diabetic ~ ageband + glu - 1, pima, "diabetic ~ C(ageband) + glu - 1"),
  curved = logistic(diabetic ~ spline(age, 22, 27, 35, 50) + glu, pima, "diabetic ~ rcs(age, 22, 27, 35, 50) + glu"))
linears <- list(
  plain = linear(bmi ~ skin + age + bp, pima, "bmi ~ skin + age + bp"),
  factors = linear(bwt ~ lwt + race + smoke, births, "bwt ~ lwt + C(race) + smoke"),
  interaction = linear(bmi ~ skin * age + diabetic:glu, pima, "bmi ~ skin * age + diabetic:glu"),
  factor_by_factor = linear(bmi ~ ageband * diabetic, pima, "bmi ~ C(ageband) * diabetic"),
  no_intercept = linear(bmi ~ skin + glu - 1, pima, "bmi ~ skin + glu - 1"),
  curved = linear(bp ~ spline(bmi, 25, 30, 40) + age, pima, "bp ~ rcs(bmi, 25, 30, 40) + age"))
# A column that those before it determine: R leaves out the later one.
aliased <- list(
  logistic = names(which(is.na(coef(glm(low ~ age + lwt + kilos + smoke, binomial, births))))),
  linear = names(which(is.na(coef(lm(bwt ~ kilos + age + lwt + smoke, births))))),
  coefficients = unname(coef(glm(low ~ age + lwt + smoke, binomial, births, control = tight))))

# Table 1: means, standard deviations, counts and standardised differences, each by its formula.
table1 <- function(data, numbers, factors, by) {
  g <- data[[by]]; one <- function(x, k) x[g == k]
  sums <- lapply(numbers, function(v) { x <- data[[v]]
    m <- sapply(0:1, function(k) mean(one(x, k))); s <- sapply(0:1, function(k) sd(one(x, k)))
    list(mean = m, sd = s, all = c(mean(x), sd(x)), smd = abs(m[1] - m[2]) / sqrt(sum(s^2) / 2)) })
  tabs <- lapply(factors, function(v) { p <- prop.table(table(data[[v]], g), 2)[-1, , drop = FALSE]
    cov <- function(q) { S <- -outer(q, q); diag(S) <- q * (1 - q); S }
    d <- p[, 1] - p[, 2]; S <- (cov(p[, 1]) + cov(p[, 2])) / 2
    list(counts = unclass(table(data[[v]], g))[, ], smd = sqrt(drop(t(d) %*% solve(S) %*% d))) })
  c(setNames(sums, numbers), setNames(tabs, factors))
}
describe <- list(pima = table1(pima, c("npreg", "glu", "bmi", "ped", "age"), "ageband", "diabetic"),
  births = table1(births, c("age", "lwt", "bwt"), c("race", "smoke"), "low"))

out <- list(script = "tests/golden/r/regression.R", R = R.version.string,
  MASS = as.character(packageVersion("MASS")), sandwich = as.character(packageVersion("sandwich")),
  Hmisc = as.character(packageVersion("Hmisc")),
  logistic = logistics, linear = linears, aliased = aliased, describe = describe)
write_json(out, "tests/golden/regression.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", na = "null")
