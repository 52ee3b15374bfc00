# Firth's logistic regression on pooled rows: the modified score followed to its zero, restricted and profiled fits by
# the same with a column held, limits by uniroot. logistf is in no Debian package; optim on the penalised likelihood is
# asked whether the place is right. Data that MASS and R ship; two kinds of iris are separated by their sepals (flowers).
suppressMessages(library(jsonlite))
births <- within(read.csv("tests/golden/data/births.csv"), race <- factor(race, c("white", "black", "other")))
pima <- within(read.csv("tests/golden/data/pima.csv"), ageband <- factor(ageband, c("young", "middle", "old")))
flowers <- with(subset(iris, Species != "virginica"),
  data.frame(setosa = as.integer(Species == "setosa"), length = Sepal.Length, width = Sepal.Width))
write.csv(flowers, "tests/golden/data/flowers.csv", row.names = FALSE, quote = FALSE)

parts <- function(X, y, b) {
  eta <- drop(X %*% b); mu <- plogis(eta); w <- mu * (1 - mu)
  R <- qr.R(qr(X * sqrt(w), LAPACK = TRUE)); I <- crossprod(X * sqrt(w)); C <- solve(I)
  h <- w * rowSums((X %*% C) * X)
  list(l = sum(y * plogis(eta, log.p = TRUE) + (1 - y) * plogis(-eta, log.p = TRUE)) + sum(log(abs(diag(R)))),
    u = drop(crossprod(X, y - mu + h * (0.5 - mu))), I = I, C = C)
}
height <- function(X, y, b) tryCatch(parts(X, y, b)$l, error = function(e) -Inf)
climb <- function(X, y, b, free) {
  if (!any(free)) return(list(b = b, l = parts(X, y, b)$l))
  for (i in 1:20000) {
    at <- parts(X, y, b); step <- numeric(length(b)); step[free] <- solve(at$I[free, free, drop = FALSE], at$u[free])
    t <- 1
    while (height(X, y, b + t * step) < at$l - 1e-11 && t > 1e-6) t <- t / 2
    b <- b + t * step
    if (sum(step[free] * at$u[free]) < 1e-28) break
  }
  list(b = b, l = parts(X, y, b)$l)
}
one <- function(formula, data, gagyo, separated = FALSE) {
  X0 <- model.matrix(formula, data); y <- model.response(model.frame(formula, data)); p <- ncol(X0); n <- nrow(X0)
  # Columns of mean 0 and deviation 1 for the arithmetic; coefficients are turned back.
  s <- c(1, apply(X0[, -1, drop = FALSE], 2, sd)); m <- c(0, colMeans(X0)[-1])
  T <- diag(1 / s); T[1, -1] <- -m[-1] / s[-1]
  X <- X0 %*% T
  best <- climb(X, y, numeric(p), rep(TRUE, p)); at <- parts(X, y, best$b)
  direct <- optim(best$b + 0.1, function(b) -parts(X, y, b)$l, function(b) -parts(X, y, b)$u, method = "BFGS",
    control = list(reltol = 1e-15, maxit = 1000))
  stopifnot(abs(direct$value + best$l) < 1e-8)
  null <- climb(X, y, c(qlogis(mean(y)), numeric(p - 1)), seq_len(p) == 1)
  error <- sqrt(diag(T %*% at$C %*% t(T))); raw <- drop(T %*% best$b)
  # Of the intercept as it is: the same likelihood in coordinates of columns as they are, about which only it differs;
  # the turn has determinant 1.
  profile <- function(j, value) {
    turn <- diag(p); if (j == 1) turn[1, ] <- T[1, ]
    Xj <- X %*% solve(turn); from <- drop(turn %*% best$b); C <- turn %*% at$C %*% t(turn)
    value <- value * (if (j == 1) 1 else s[j]); g <- from + C[, j] / C[j, j] * (value - from[j])
    # Where there the likelihood is out of reach, half the way, and so on from where that led.
    while (!is.finite(height(Xj, y, g))) {
      half <- climb(Xj, y, from + (g - from) / 2, seq_len(p) != j)$b
      g <- half + C[, j] / C[j, j] * (value - half[j]); from <- half
    }
    climb(Xj, y, g, seq_len(p) != j)$l
  }
  goal <- best$l - qchisq(0.95, 1) / 2
  # Where outcomes are separated a profile may have several maxima beside each other: no limits are compared there.
  limits <- if (separated) matrix(NA_real_, 2, p) else sapply(seq_len(p), function(j) sapply(c(-1, 1), function(side) {
    far <- 2
    while (profile(j, raw[j] + side * far * error[j]) > goal) far <- far * 1.5
    uniroot(function(v) profile(j, v) - goal, sort(raw[j] + side * c(0.5, far) * error[j]), tol = 1e-13 * error[j])$root
  }))
  chi <- 2 * (best$l - sapply(seq_len(p), function(j) profile(j, 0)))
  test <- 2 * (best$l - null$l)
  list(data = deparse(substitute(data)), formula = gagyo, people = n, events = sum(y), coefficients = unname(raw),
    errors = unname(error), lower = limits[1, ], upper = limits[2, ], chi = chi, p = pchisq(chi, 1, lower.tail = FALSE),
    log_likelihood = best$l - sum(log(diag(T))), test = test, test_p = pchisq(test, p - 1, lower.tail = FALSE))
}
cases <- list(
  diabetes = one(diabetic ~ glu + bmi + ageband, pima, "diabetic ~ glu + bmi + C(ageband)"),
  weight = one(low ~ age + lwt + smoke, births, "low ~ age + lwt + smoke"),
  separated = one(setosa ~ length + width, flowers, "setosa ~ length + width", separated = TRUE))
out <- list(script = "tests/golden/r/firth.R", R = R.version.string, cases = cases)
write_json(out, "tests/golden/firth.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", na = "null")
