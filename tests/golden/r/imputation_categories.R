# Categories imputed by R's mice on real women, bands of whose body mass index are deleted at random: by polyreg, whose parameters
# are those of the fit, and by the same multinomial model (nnet::multinom) with parameters drawn around it, as logreg draws them.
suppressMessages({library(mice); library(nnet); library(jsonlite)})
set.seed(20261130)

bands <- c("healthy", "over", "obese", "severe")
pima <- read.csv("tests/golden/data/pima.csv")
pima$band <- as.character(cut(pima$bmi, c(0, 27, 31, 36, Inf), bands, right = FALSE))
pima$bmi <- NULL
n <- nrow(pima)
pima$hospital <- read.csv("tests/golden/data/pima_missing.csv")$hospital
pima$band[runif(n) < plogis(-1.1 + 0.02 * (pima$age - 30))] <- NA
pima$skin[runif(n) < plogis(-1.6 - 0.01 * (pima$glu - 120))] <- NA
pima$heavy <- as.integer(pima$bp + rnorm(n, 0, 12) > 75)
pima$heavy[runif(n) < plogis(-1.5 + 0.01 * (pima$glu - 120))] <- NA
write.csv(pima, "tests/golden/data/pima_bands.csv", row.names = FALSE, quote = FALSE)

mice.impute.polydraw <- function(y, ry, x, wy = NULL, ...) {
  if (is.null(wy)) wy <- !ry
  fit <- multinom(y ~ x, data.frame(y = y[ry], x = I(as.matrix(x)[ry, , drop = FALSE])), Hess = TRUE, trace = FALSE, maxit = 500)
  covariance <- solve(fit$Hessian)
  beta <- as.vector(t(coef(fit))) + t(chol((covariance + t(covariance)) / 2)) %*% rnorm(nrow(covariance))
  X <- cbind(1, as.matrix(x)[wy, , drop = FALSE])
  odds <- cbind(1, exp(X %*% matrix(beta, ncol(X))))
  cumulative <- t(apply(odds / rowSums(odds), 1, cumsum))
  factor(levels(y)[1 + rowSums(runif(nrow(X)) > cumulative[, -ncol(cumulative), drop = FALSE])], levels(y))
}

# hospital: a term of every imputation model, and of no analysis; the outcome is one by being in the data.
chained <- function(formula, gagyo, impute, keep, method, family = NULL, m = 400, maxit = 8) {
  outcome <- all.vars(formula)[1]
  data <- pima[, c(outcome, keep, "hospital")]
  rest <- setdiff(names(data), c(impute, "hospital"))
  data <- data[complete.cases(data[, rest]), ]
  data$hospital <- factor(data$hospital)
  data$band <- factor(data$band, bands)
  if ("heavy" %in% impute) data$heavy <- factor(data$heavy)
  ways <- c(band = method, skin = "norm", heavy = "logreg")
  by <- setNames(rep("", ncol(data)), names(data))
  by[impute] <- ways[impute]
  imputed <- mice(data, m = m, maxit = maxit, method = by, printFlag = FALSE, ls.meth = "qr")
  shares <- colMeans(t(sapply(seq_len(m), function(i) table(complete(imputed, i)$band[is.na(data$band)])))) / sum(is.na(data$band))
  fits <- lapply(seq_len(m), function(i) {
    one <- complete(imputed, i)
    if (is.factor(one$heavy)) one$heavy <- as.numeric(as.character(one$heavy))
    if (is.null(family)) lm(formula, one) else glm(formula, family, one, control = glm.control(epsilon = 1e-14))
  })
  p <- summary(pool(as.mira(fits)), type = "all")
  list(formula = gagyo, impute = impute, method = method, people = nrow(data), m = m, maxit = maxit, estimate = p$estimate,
    ubar = p$ubar, b = p$b, shares = unname(shares))
}
cases <- list()
for (method in c("polyreg", "polydraw")) cases[[method]] <- list(
  band = chained(glu ~ band + age, "glu ~ band + age", "band", c("band", "age"), method),
  mixed = chained(glu ~ band + heavy + skin + age, "glu ~ band + heavy + skin + age", c("band", "heavy", "skin"),
    c("band", "heavy", "skin", "age"), method),
  logistic = chained(diabetic ~ band + glu + age, "diabetic ~ band + glu + age", "band", c("band", "glu", "age"), method, binomial()))
out <- list(script = "tests/golden/r/imputation_categories.R", R = R.version.string, mice = as.character(packageVersion("mice")),
  nnet = as.character(packageVersion("nnet")), cases = cases)
write_json(out, "tests/golden/imputation_categories.json", digits = NA, auto_unbox = TRUE, na = "null", null = "null")
