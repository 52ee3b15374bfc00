# Errors of fits with a column that others determine, counts of events over an exposure, and McNemar's exact test.
suppressMessages({library(jsonlite); library(MASS)})
births <- read.csv("tests/golden/data/births.csv"); pima <- read.csv("tests/golden/data/pima.csv")
tight <- glm.control(epsilon = 1e-15, maxit = 200)
told <- function(m) { s <- summary(m)$coefficients
  list(terms = sub("(Intercept)", "Intercept", rownames(s), fixed = TRUE), coefficients = unname(s[, 1]), errors = unname(s[, 2])) }
# kilos is lwt in another unit: R leaves it out, and fits the others as if it were not there.
stopifnot(identical(names(which(is.na(coef(glm(low ~ age + lwt + kilos + smoke, binomial, births))))), "kilos"))
right <- ~ age + lwt + smoke
family <- function(y, f) told(eval(bquote(glm(.(update(right, paste(y, "~ ."))), .(f), births, control = tight))))
aliased <- list(logistic = family("low", binomial()), probit = family("low", binomial("probit")),
  poisson = family("low", poisson()), gamma = family("bwt", Gamma("log")))
counts <- glm.nb(bwt ~ age + lwt + smoke, births, control = glm.control(epsilon = 1e-15, maxit = 200))
aliased$negative_binomial <- c(told(counts), list(theta = counts$theta))
rates <- told(glm(diabetic ~ bmi + offset(log(age)), poisson, pima, control = tight))
apart <- with(births, table(low, smoke)); one <- apart[1, 2]; other <- apart[2, 1]
pairs <- list(births = list(counts = c(one, other), p = binom.test(one, one + other)$p.value),
  equal = list(counts = c(7, 7), p = binom.test(7, 14)$p.value), few = list(counts = c(1, 9), p = binom.test(1, 10)$p.value))
write_json(list(script = "tests/golden/r/edges.R", R = R.version.string, MASS = as.character(packageVersion("MASS")),
  aliased = aliased, rates = rates, pairs = pairs), "tests/golden/edges.json", digits = NA, auto_unbox = TRUE)
