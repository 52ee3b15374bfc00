# Outcomes of several levels by ordinal::clm and nnet::multinom, on data that MASS ships. multinom stops early: its
# optimum is polished by Newton's steps on the score and information of the multinomial likelihood, written out here.
suppressMessages({library(MASS); library(ordinal); library(nnet); library(jsonlite)})
births <- within(read.csv("tests/golden/data/births.csv"), race <- factor(race, c("white", "black", "other")))
pima <- within(read.csv("tests/golden/data/pima.csv"), ageband <- factor(ageband, c("young", "middle", "old")))
ordered_one <- function(formula, data, gagyo, name, outcome) {
  data[[outcome]] <- factor(data[[outcome]], ordered = TRUE)
  m <- clm(formula, data = data, control = clm.control(gradTol = 1e-13, maxIter = 200))
  r <- polr(formula, data, control = list(reltol = 1e-14))
  stopifnot(max(abs(r$coefficients - m$beta)) < 1e-4)
  list(data = name, formula = gagyo, model = "ordinal", coefficients = unname(coef(m)),
    errors = unname(sqrt(diag(vcov(m)))), log_likelihood = as.numeric(logLik(m)))
}
multi_one <- function(formula, data, gagyo, name) {
  m <- multinom(formula, data, trace = FALSE, reltol = 1e-14, maxit = 1000)
  X <- model.matrix(formula, data); y <- as.integer(model.response(model.frame(formula, data)))
  b <- t(coef(m)); p <- ncol(X); J <- ncol(b)
  for (i in 1:4) {
    e <- exp(cbind(0, X %*% b)); pr <- (e / rowSums(e))[, -1]
    score <- crossprod(X, outer(y, 2:(J + 1), "==") - pr); H <- matrix(0, p * J, p * J)
    for (j in 1:J) for (k in 1:J) H[(j - 1) * p + 1:p, (k - 1) * p + 1:p] <-
      crossprod(X * (pr[, j] * ((j == k) - pr[, k])), X)
    b <- b + matrix(solve(H, as.vector(score)), p)
  }
  stopifnot(max(abs(t(b) - coef(m))) < 1e-4)
  list(data = name, formula = gagyo, model = "multinomial", coefficients = as.vector(b),
    errors = sqrt(diag(solve(H))), log_likelihood = as.numeric(logLik(m)))
}
cases <- list(
  age = ordered_one(ageband ~ glu + bmi + diabetic, pima, "ageband ~ glu + bmi + diabetic", "pima", "ageband"),
  age_two = ordered_one(ageband ~ glu * diabetic, pima, "ageband ~ glu * diabetic", "pima", "ageband"),
  bands = multi_one(ageband ~ glu + bmi + diabetic, pima, "ageband ~ glu + bmi + diabetic", "pima"),
  race = multi_one(race ~ lwt + age, births, "race ~ lwt + age", "births"))
out <- list(script = "tests/golden/r/categorical.R", R = R.version.string, ordinal = as.character(packageVersion("ordinal")),
  nnet = as.character(packageVersion("nnet")), cases = cases)
write_json(out, "tests/golden/categorical.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", na = "null")
