# Negative binomial regression by MASS, on the Pima data. glm.nb stops where theta moves by 1e-4 (the eps of theta.ml),
# its standard error of theta is of the step before, and glm stops where the deviance is flat, 1e-8 from its maximum; so
# Fisher scoring and theta.ml are alternated here until nothing moves.
suppressMessages({library(MASS); library(sandwich); library(jsonlite)})
pima <- within(read.csv("tests/golden/data/pima.csv"), ageband <- factor(ageband, c("young", "middle", "old")))

one <- function(formula, gagyo, exposure = "", offset = "") {
  start <- eval(bquote(glm.nb(.(formula), pima, control = glm.control(epsilon = 1e-12, maxit = 200))))
  theta <- start$theta
  X <- model.matrix(start); y <- start$y; n <- nrow(X); beta <- coef(start)
  off <- if (is.null(start$offset)) numeric(n) else start$offset
  for (i in 1:500) {
    mu <- drop(exp(X %*% beta + off)); w <- 1 / (1 + mu / theta)
    step <- drop(solve(crossprod(X * sqrt(mu * w)), crossprod(X, (y - mu) * w)))
    beta <- beta + step
    now <- theta.ml(y, drop(exp(X %*% beta + off)), limit = 100, eps = 1e-13)
    moved <- abs(now - theta) / theta; theta <- as.numeric(now)
    if (moved < 1e-14 && max(abs(step)) < 1e-14) break
  }
  stopifnot(all.equal(unname(beta), unname(coef(start)), tolerance = 1e-5))
  stopifnot(abs(theta - start$theta) < 1e-4 * theta)
  mu <- drop(exp(X %*% beta + off))
  bread <- solve(crossprod(X * sqrt(mu / (1 + mu / theta))))
  hc0 <- bread %*% crossprod(X * ((y - mu) / (1 + mu / theta))) %*% bread
  stopifnot(all.equal(hc0, unname(sandwich(start)), check.attributes = FALSE, tolerance = 1e-4))
  h <- mu / (1 + mu / theta) * rowSums((X %*% bread) * X)
  by_leverage <- function(k) bread %*% crossprod(X * ((y - mu) / (1 + mu / theta)) / (1 - h)^k) %*% bread
  stopifnot(all.equal(by_leverage(1), unname(vcovHC(start, type = "HC3")), check.attributes = FALSE, tolerance = 1e-4))
  errors <- lapply(list(none = bread, HC0 = hc0, HC1 = hc0 * n / (n - ncol(X)), HC2 = by_leverage(0.5), HC3 = by_leverage(1)), function(u) unname(sqrt(diag(u))))
  poisson <- eval(bquote(glm(.(formula), poisson(), pima, control = glm.control(epsilon = 1e-15, maxit = 200))))
  like <- sum(dnbinom(y, size = theta, mu = mu, log = TRUE))
  chi <- 2 * (like - as.numeric(logLik(poisson)))
  b <- beta[-1]
  c(list(formula = gagyo, exposure = exposure, offset = offset, people = n, coefficients = unname(beta), theta = theta,
    theta_error = as.numeric(attr(now, "SE")), log_likelihood = like, against_poisson = c(chi, pchisq(chi, 1, lower.tail = FALSE) / 2),
    wald = drop(b %*% solve(bread[-1, -1], b))), errors)
}
cases <- list(
  measured = one(npreg ~ age + bmi + diabetic, "npreg ~ age + bmi + diabetic"),
  factors = one(npreg ~ ageband * glu, "npreg ~ C(ageband) * glu"),
  rate = one(npreg ~ bmi + diabetic + offset(log(age)), "npreg ~ bmi + diabetic", "age"),
  offset = one(npreg ~ glu + diabetic + offset(ped), "npreg ~ glu + diabetic", offset = "ped"),
  alone = one(npreg ~ diabetic + offset(log(age)), "npreg ~ diabetic", "age"))
out <- list(script = "tests/golden/r/negative_binomial.R", R = R.version.string,
  MASS = as.character(packageVersion("MASS")), sandwich = as.character(packageVersion("sandwich")), cases = cases)
write_json(out, "tests/golden/negative_binomial.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", na = "null")
