# Generalised estimating equations by geepack, and CR2 by clubSandwich, on the Dutch pupils of mixed.R. geeglm divides
# dispersion and correlation by the numbers of people and of pairs. Clusters are a class at a hospital.
suppressMessages({library(geepack); library(clubSandwich); library(jsonlite)})
pupils <- read.csv("tests/golden/data/pupils.csv")
pupils$pass <- as.integer(pupils$lang >= 42); pupils$count <- round(pupils$lang)
pupils$group <- interaction(pupils$hospital, pupils$class, drop = TRUE)
pupils <- pupils[order(pupils$group), ]
# Weights of each pupil, and of each class.
pupils$weight <- 0.5 + pupils$ses / 40 + pupils$class %% 3 / 2; pupils$share <- 1 + pupils$class %% 5 / 2
tight <- geese.control(epsilon = 1e-14, maxit = 500); tight_glm <- glm.control(epsilon = 1e-15, maxit = 200)

one <- function(formula, family, corstr, name, weights = "") {
  pupils$w <- if (weights == "") rep(1, nrow(pupils)) else pupils[[weights]]
  m <- eval(bquote(geeglm(.(formula), family = family, data = pupils, id = group, weights = w, corstr = .(corstr), control = tight)))
  s <- summary(m)
  c(list(formula = gsub("as.numeric|[()]", "", paste(deparse(formula), collapse = "")), family = name, correlation = corstr, weights = weights,
    people = nrow(pupils), clusters = length(unique(pupils$group)), coefficients = unname(coef(m)),
    errors = unname(s$coefficients[, 2]), dispersion = s$dispersion[1, 1]),
    if (corstr == "exchangeable") list(alpha = s$corr[1, 1]))
}
# Again from where it ended, so that the weights that glm keeps, and clubSandwich takes, are those of the end.
fit <- function(...) glm(..., control = tight_glm, start = coef(glm(..., control = tight_glm)))
few <- function(m, gagyo, name) {
  v <- vcovCR(m, cluster = pupils$hospital, type = "CR2")
  t <- coef_test(m, vcov = v, test = "Satterthwaite")
  list(formula = gagyo, family = name, coefficients = unname(coef(m)), errors = unname(sqrt(diag(as.matrix(v)))), freedom = t$df)
}
cases <- list(
  measured = one(lang ~ verbal + ses + comb, gaussian(), "exchangeable", "gaussian"),
  apart = one(lang ~ verbal + ses + comb, gaussian(), "independence", "gaussian"),
  passed = one(pass ~ verbal + ses, binomial(), "exchangeable", "binomial"),
  passed_apart = one(pass ~ verbal + ses, binomial(), "independence", "binomial"),
  counted = one(count ~ verbal + ses, poisson(), "exchangeable", "poisson"),
  weighed = one(lang ~ verbal + ses, gaussian(), "exchangeable", "gaussian", "weight"),
  weighed_classes = one(lang ~ verbal + comb, gaussian(), "exchangeable", "gaussian", "share"),
  weighed_passed = one(pass ~ verbal, binomial(), "exchangeable", "binomial", "weight"),
  weighed_apart = one(pass ~ verbal + ses, binomial(), "independence", "binomial", "share"),
  weighed_counted = one(count ~ verbal + comb, poisson(), "exchangeable", "poisson", "weight"))
hospitals <- list(
  two = few(lm(lang ~ verbal + ses, pupils), "lang ~ verbal + ses", "gaussian"),
  one = few(lm(lang ~ ses, pupils), "lang ~ ses", "gaussian"),
  yes_no = few(fit(pass ~ verbal + ses, binomial, pupils), "pass ~ verbal + ses", "binomial"),
  counts = few(fit(count ~ verbal + ses, poisson, pupils), "count ~ verbal + ses", "poisson"))
out <- list(script = "tests/golden/r/gee.R", R = R.version.string, geepack = as.character(packageVersion("geepack")),
  clubSandwich = as.character(packageVersion("clubSandwich")), cases = cases, hospitals = hospitals)
write_json(out, "tests/golden/gee.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", na = "null")
