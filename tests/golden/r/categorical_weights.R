# Weighted regressions of outcomes of several levels by MASS::polr and nnet::multinom, on data that survival and MASS ship.
# Both stop early, and polr's Hessian is of differences: their optima are polished by Newton's steps, with score and
# information written out here. The sandwich is White's, sum of w^2 u u' in the middle; sandwich's estimating functions of
# polr and survey's svyolr (whose errors have the factor n / (n - 1) of one stratum) say the same as far as their fits go.
suppressMessages({library(MASS); library(nnet); library(sandwich); library(survey); library(jsonlite)})
rotterdam <- within(read.csv("tests/golden/data/rotterdam.csv"), tumour <- factor(tumour, c("small", "middling", "large")))
pima <- within(read.csv("tests/golden/data/pima.csv"), ageband <- factor(ageband, c("young", "middle", "old")))

# By person the score (n, q) and the summed information, of coefficients b.
proportional <- function(b, X, y, w, J) {
  cut <- c(-Inf, b[1:(J - 1)], Inf); eta <- drop(X %*% b[-(1:(J - 1))])
  up <- cut[y + 1] - eta; lo <- cut[y] - eta
  P <- plogis(up) - plogis(lo); f <- dlogis(up); g <- dlogis(lo)
  df <- f * (1 - 2 * plogis(up)); dg <- g * (1 - 2 * plogis(lo)); df[y == J] <- 0; dg[y == 1] <- 0
  A <- cbind(outer(y, 1:(J - 1), "=="), -X) * 1; B <- cbind(outer(y - 1, 1:(J - 1), "=="), -X) * 1
  S <- (A * f - B * g) / P
  H <- crossprod(S * sqrt(w)) - crossprod(A * sqrt(w / P) * sqrt(abs(df)) , A * sqrt(w / P) * sqrt(abs(df)) * sign(df)) +
    crossprod(B * sqrt(w / P) * sqrt(abs(dg)), B * sqrt(w / P) * sqrt(abs(dg)) * sign(dg))
  list(scores = S * w, information = H)
}
logits <- function(b, X, y, w, J) {
  p <- ncol(X); e <- exp(cbind(0, X %*% matrix(b, p))); pr <- (e / rowSums(e))[, -1]
  S <- do.call(cbind, lapply(1:(J - 1), function(j) X * ((y == j + 1) - pr[, j]))) * w
  H <- matrix(0, length(b), length(b))
  for (j in 1:(J - 1)) for (k in 1:(J - 1)) H[(j - 1) * p + 1:p, (k - 1) * p + 1:p] <-
    crossprod(X * (w * pr[, j] * ((j == k) - pr[, k])), X)
  list(scores = S, information = H)
}
one <- function(formula, data, gagyo, model, weights = "") {
  name <- deparse(substitute(data)); n <- nrow(data)
  data$w <- if (weights == "") rep(1, n) else data[[weights]] / mean(data[[weights]])
  X <- model.matrix(formula, data); y <- as.integer(model.response(model.frame(formula, data))); J <- max(y)
  if (model == "ordinal") {
    m <- polr(formula, data, weights = w, Hess = TRUE, control = list(reltol = 1e-15, maxit = 1000))
    b <- c(m$zeta, coef(m)); X <- X[, -1, drop = FALSE]; at <- proportional
  } else {
    m <- multinom(formula, data, weights = w, trace = FALSE, reltol = 1e-15, maxit = 1000)
    b <- as.vector(t(coef(m))); at <- logits
  }
  first <- b
  for (i in 1:8) { now <- at(b, X, y, data$w, J); b <- b + drop(solve(now$information, colSums(now$scores))) }
  stopifnot(max(abs(b - first)) < 1e-3, max(abs(colSums(at(b, X, y, data$w, J)$scores))) < 1e-8)
  bread <- solve(now$information); V <- bread %*% crossprod(now$scores) %*% bread
  if (model == "ordinal") {
    s <- sandwich(m); s <- s[c(names(m$zeta), names(coef(m))), c(names(m$zeta), names(coef(m)))]
    design <- svydesign(~1, weights = ~w, data = data); v <- svyolr(formula, design)
    both <- c(v$zeta, coef(v)[names(v$coefficients)]); se <- sqrt(diag(vcov(v)))[names(both)] * sqrt((n - 1) / n)
    stopifnot(max(abs(both - b)) < 1e-4, max(abs(sqrt(diag(V)) / sqrt(diag(s)) - 1)) < 5e-3, max(abs(sqrt(diag(V)) / se - 1)) < 5e-3)
  }
  slopes <- if (model == "ordinal") J:length(b) else setdiff(seq_along(b), seq(1, length(b), ncol(X)))
  list(data = name, formula = gagyo, model = model, weights = weights, people = n, coefficients = unname(b),
    errors = list(HC0 = unname(sqrt(diag(V))), HC1 = unname(sqrt(diag(V) * n / (n - length(b))))),
    wald = drop(b[slopes] %*% solve(V[slopes, slopes], b[slopes])))
}
cases <- list(
  ordinal = one(tumour ~ nodes + hormon + grade3, rotterdam, "tumour ~ nodes + hormon + grade3", "ordinal", "age"),
  multinomial = one(tumour ~ nodes + hormon + grade3, rotterdam, "tumour ~ nodes + hormon + grade3", "multinomial", "age"),
  bands = one(ageband ~ glu + diabetic, pima, "ageband ~ glu + diabetic", "ordinal", "bmi"),
  bands_multinomial = one(ageband ~ glu + diabetic, pima, "ageband ~ glu + diabetic", "multinomial", "bmi"),
  robust = one(ageband ~ glu + bmi, pima, "ageband ~ glu + bmi", "ordinal"))
out <- list(script = "tests/golden/r/categorical_weights.R", R = R.version.string, MASS = as.character(packageVersion("MASS")),
  nnet = as.character(packageVersion("nnet")), survey = as.character(packageVersion("survey")), cases = cases)
write_json(out, "tests/golden/categorical_weights.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", na = "null")
