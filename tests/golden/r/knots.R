# Fits with rms's restricted cubic splines at the knots that hospitals found, and the quantiles that knots stand at.
suppressMessages({library(rms); library(survival); library(jsonlite)})
tight <- glm.control(epsilon = 1e-15, maxit = 200)
pima <- within(read.csv("tests/golden/data/pima.csv"), ageband <- factor(ageband, c("young", "middle", "old")))
rotterdam <- read.csv("tests/golden/data/rotterdam.csv")
options(datadist = "every")
shares <- list("3" = c(.1, .5, .9), "4" = c(.05, .35, .65, .95), "5" = c(.05, .275, .5, .725, .95),
  "6" = c(.05, .23, .41, .59, .77, .95), "7" = c(.025, .1833, .3417, .5, .6583, .8167, .975))

# knots: by variable, as the hospitals found them; the quantiles of the same people are beside them.
# A glm's errors are of the weights one step before its coefficients: a second fit starts from them.
# tested: the same model by rms itself (a glm's with the second fit), for its Wald tests (F for `ols`) and its contrasts of splines that stand alone.
told <- function(m, data, method, gagyo, knots, more = "", tested, alone = names(knots)) {
  every <<- datadist(data)
  if (inherits(m, "glm")) m <- update(m, start = coef(m))
  if (length(alone) && inherits(tested, "Glm")) {
    tested$coefficients[] <- coef(m)
    tested$var <- structure(vcov(m), dimnames = rep(list(names(coef(tested))), 2))
  }
  quantiles <- mapply(function(name, at) unname(quantile(data[[name]], shares[[as.character(length(at))]])), names(knots), knots,
    SIMPLIFY = FALSE)
  list(data = deparse(substitute(data)), method = method, formula = gagyo, more = more, knots = knots, quantiles = quantiles,
    coefficients = unname(coef(m)), errors = unname(sqrt(diag(vcov(m)))), splines = sapply(alone, function(name) bent(tested, name, knots[[name]]),
      simplify = FALSE))
}
# Statistic, degrees of freedom and p of all terms and of the non-linear ones; the curve at the knots less its value at the middle one.
bent <- function(m, name, knots) {
  table <- anova(m)
  rows <- table[which(trimws(sub("\\(.*", "", rownames(table))) == name) + 0:1, , drop = FALSE]
  statistic <- if ("F" %in% colnames(rows)) "F" else "Chi-Square"
  found <- contrast(m, setNames(list(knots), name), setNames(list(knots[(length(knots) + 1) %/% 2]), name))
  list(statistic = unname(rows[, statistic]), freedom = unname(rows[, "d.f."]), p = unname(rows[, "P"]),
    difference = unname(found$Contrast), error = unname(found$SE))
}
a <- list(bmi = c(25, 33, 42), age = c(21, 25, 33, 55.5))
b <- list(glu = c(79.5, 103.5, 127.5, 183.5))
d <- list(age = c(21, 24, 28, 37, 55.5))
e <- list(age = c(32, 43, 49, 56, 62, 69, 80))
f <- list(age = c(35.25, 45, 52, 60, 67, 77))
g <- list(nodes = c(1, 4, 12), age = c(35.25, 50, 62, 77))
cases <- list(
  linear = told(lm(bp ~ rcs(bmi, a$bmi) + rcs(age, a$age), pima), pima, "linear", "bp ~ rcs(bmi, 3) + rcs(age, 4)", a,
    tested = ols(bp ~ rcs(bmi, a$bmi) + rcs(age, a$age), pima)),
  logistic = told(glm(diabetic ~ bmi * rcs(glu, b$glu) + ageband, binomial(), pima, control = tight), pima, "logistic",
    "diabetic ~ bmi * rcs(glu, 4) + C(ageband)", b, alone = character(0)),
  poisson = told(glm(npreg ~ rcs(age, d$age) + bmi, poisson(), pima, control = tight), pima, "glm", "npreg ~ rcs(age, 5) + bmi", d,
    "family: poisson, robust: none", tested = Glm(npreg ~ rcs(age, d$age) + bmi, poisson(), pima, control = tight)),
  cox = told(coxph(Surv(days, died) ~ rcs(age, e$age) + hormon + nodes + strata(hospital), rotterdam,
    control = coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 60)), rotterdam, "cox", "died ~ rcs(age, 7) + hormon + nodes", e,
    "time: days", tested = cph(Surv(days, died) ~ rcs(age, e$age) + hormon + nodes + strat(hospital), rotterdam, method = "efron",
      eps = 1e-14, tol = 1e-15, iter.max = 60)),
  probit = told(glm(relapsed ~ rcs(age, f$age) + chemo, binomial("probit"), rotterdam, control = tight), rotterdam, "glm",
    "relapsed ~ rcs(age, 6) + chemo", f, "family: binomial, link: probit",
    tested = Glm(relapsed ~ rcs(age, f$age) + chemo, binomial("probit"), rotterdam, control = tight)),
  logit = told(glm(relapsed ~ rcs(nodes, g$nodes) + rcs(age, g$age), binomial(), rotterdam, control = tight), rotterdam, "logistic",
    "relapsed ~ rcs(nodes, 3) + rcs(age, 4)", g,
    tested = lrm(relapsed ~ rcs(nodes, g$nodes) + rcs(age, g$age), rotterdam, eps = 1e-14, tol = 1e-14, maxit = 60)))
out <- list(script = "tests/golden/r/knots.R", R = R.version.string, rms = as.character(packageVersion("rms")),
  survival = as.character(packageVersion("survival")), cases = cases)
write_json(out, "tests/golden/knots.json", digits = NA, auto_unbox = TRUE, na = "null")
