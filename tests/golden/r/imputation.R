# Multiple imputation by R's mice: Rubin's rules on given numbers, and chained equations on real women with values deleted at random.
suppressMessages({library(mice); library(jsonlite)})
set.seed(20261129)

# Rubin's rules.
scalars <- lapply(list(list(m = 5, n = 60, k = 4), list(m = 20, n = 532, k = 6), list(m = 40, n = Inf, k = 1)), function(one) {
  q <- round(rnorm(one$m, 0.7, 0.2), 6); u <- round(rchisq(one$m, 30) / 600, 6)
  p <- pool.scalar(q, u, n = one$n, k = one$k)
  list(q = q, u = u, dfcom = if (is.finite(one$n)) one$n - one$k else NULL, qbar = p$qbar, ubar = p$ubar, b = p$b,
    t = p$t, df = p$df, riv = p$r, fmi = p$fmi)
})

# Values deleted at random, given age and glucose; women dealt out to four hospitals of unlike sizes.
pima <- read.csv("tests/golden/data/pima.csv")
n <- nrow(pima)
pima$hospital <- sample(0:3, n, TRUE, c(.35, .25, .2, .2))
pima$bmi[runif(n) < plogis(-1.3 + 0.02 * (pima$age - 30))] <- NA
pima$skin[runif(n) < plogis(-1.5 - 0.01 * (pima$glu - 120))] <- NA
pima$diabetic[runif(n) < plogis(-1.4 + 0.01 * (pima$glu - 120))] <- NA
write.csv(pima, "tests/golden/data/pima_missing.csv", row.names = FALSE, quote = FALSE)

# hospital: a term of every imputation model, and of no analysis; the outcome is one by being in the data.
chained <- function(formula, gagyo, impute, keep, family = NULL, m = 400, maxit = 10) {
  outcome <- all.vars(formula)[1]
  data <- pima[!is.na(pima[[outcome]]), c(outcome, keep, "hospital")]
  rest <- setdiff(names(data), c(impute, "hospital"))
  data <- data[complete.cases(data[, rest]), ]
  data$hospital <- factor(data$hospital)
  if ("diabetic" %in% impute) data$diabetic <- factor(data$diabetic)
  method <- setNames(rep("", ncol(data)), names(data))
  method[impute] <- ifelse(impute == "diabetic", "logreg", "norm")
  imputed <- mice(data, m = m, maxit = maxit, method = method, printFlag = FALSE, ls.meth = "qr")
  fits <- lapply(seq_len(m), function(i) {
    one <- complete(imputed, i)
    if (is.factor(one$diabetic)) one$diabetic <- as.numeric(as.character(one$diabetic))
    if (is.null(family)) lm(formula, one) else glm(formula, family, one, control = glm.control(epsilon = 1e-14))
  })
  p <- summary(pool(as.mira(fits)), type = "all")
  list(formula = gagyo, impute = impute, people = nrow(data), m = m, maxit = maxit, estimate = p$estimate, ubar = p$ubar,
    b = p$b, df = p$df, riv = p$riv, lambda = p$lambda, fmi = p$fmi, dfcom = p$dfcom,
    first = lapply(fits[1:10], function(one) list(q = unname(coef(one)), u = unname(diag(vcov(one))))),
    ten = local({t <- pool(as.mira(fits[1:10]))$pooled; list(estimate = t$estimate, ubar = t$ubar, b = t$b, t = t$t, df = t$df,
      riv = t$riv, lambda = t$lambda, fmi = t$fmi, dfcom = t$dfcom)}))
}
cases <- list(
  numbers = chained(glu ~ bmi + skin + age, "glu ~ bmi + skin + age", c("bmi", "skin"), c("bmi", "skin", "age")),
  mixed = chained(glu ~ bmi + diabetic + age, "glu ~ bmi + diabetic + age", c("bmi", "diabetic"), c("bmi", "diabetic", "age")),
  logistic = chained(diabetic ~ glu + bmi + skin + age, "diabetic ~ glu + bmi + skin + age", c("bmi", "skin"),
    c("glu", "bmi", "skin", "age"), binomial()))
out <- list(script = "tests/golden/r/imputation.R", R = R.version.string, mice = as.character(packageVersion("mice")),
  scalars = scalars, cases = cases)
write_json(out, "tests/golden/imputation.json", digits = NA, auto_unbox = TRUE, na = "null", null = "null")
