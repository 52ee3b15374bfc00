# Penalised regression by glmnet, its threshold tightened, on data that MASS ships; the folds are those that the
# hospitals of tests/contract deal out by keyed hash, and a test says whether they still are.
suppressMessages({library(glmnet); library(jsonlite)})
glmnet.control(fdev = 0, devmax = 1, epsnr = 1e-14, mxitnr = 500)
pima <- read.csv("tests/golden/data/pima.csv")
given <- read.csv("tests/golden/data/folds.csv")
right <- c("glu", "bp", "skin", "bmi", "ped", "age")
one <- function(family, alpha) {
  names <- c(right, if (family == "gaussian") "diabetic" else "npreg")
  X <- as.matrix(pima[names]); y <- pima[[if (family == "gaussian") "npreg" else "diabetic"]]
  sd1 <- apply(X, 2, function(v) sqrt(mean((v - mean(v))^2)))
  top <- max(abs(crossprod(scale(X, scale = sd1), y - mean(y)))) / length(y) / max(alpha, 1e-3)
  lambda <- exp(seq(log(top), log(top * 1e-4), length.out = 12))
  m <- cv.glmnet(X, y, family = family, alpha = alpha, lambda = lambda, foldid = given[[family]] + 1, thresh = 1e-20,
    maxit = 1e7, type.measure = if (family == "gaussian") "mse" else "deviance")
  at <- match(c(m$lambda.1se, m$lambda.min), m$lambda)
  list(names = names, penalties = m$lambda, scaled = unname(t(as.matrix(m$glmnet.fit$beta) * sd1)), mean = m$cvm,
    error = m$cvsd, lambda_1se = m$lambda.1se, lambda_min = m$lambda.min, selected = unname(m$nzero[at]),
    explained = m$glmnet.fit$dev.ratio[at])
}
cases <- list()
for (family in c("gaussian", "binomial")) for (kind in c("lasso", "net", "ridge"))
  cases[[paste(family, kind, sep = "_")]] <- one(family, c(lasso = 1, net = 0.5, ridge = 0)[[kind]])
out <- list(script = "tests/golden/r/penalised.R", R = R.version.string, glmnet = as.character(packageVersion("glmnet")),
  cases = cases)
write_json(out, "tests/golden/penalised.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", na = "null")
