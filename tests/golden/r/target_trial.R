# Emulated target trials by clones as rows: each person twice, split at the grid, with glm's probabilities of starting and
# hazards of weighted sums. Errors: stacked equations by person, whose derivatives are differences of the sixth order; for
# the few of one data set also every person's weight is moved and everything fitted again, which must agree. Data: Stanford heart transplants (Crowley & Hu 1977), and simulated
# patients for whom a treatment has an effect, with confounding, at four hospitals.
suppressMessages({library(survival); library(jsonlite)})

set.seed(20261129)
n <- 2400; hospital <- (seq_len(n) - 1) %% 4
age <- round(pmin(pmax(rnorm(n, 62, 9), 25), 90)); severe <- rbinom(n, 1, 0.4)
first <- rexp(n, exp(-4.6 - 0.03 * (age - 62) - 0.5 * severe + 0.1 * hospital))
base <- exp(-6.4 + 0.04 * (age - 62) + 0.7 * severe)
# The hazard falls by a third once the treatment has begun.
early <- rexp(n, base); ends <- ifelse(early < first, early, first + rexp(n, base * 2 / 3))
lost <- runif(n, 150, 1000)
died <- as.integer(ends <= pmin(lost, 720)); days <- ceiling(pmin(ends, lost, 720)); start <- ceiling(first)
start <- ifelse(start <= days, start, NA)
grafts <- data.frame(hospital, days, died, start, age, severe)
write.csv(grafts, "tests/golden/data/grafts.csv", row.names = FALSE, quote = FALSE)

heart <- with(survival::jasa, data.frame(hospital = (seq_along(age) - 1) %% 4, days = futime, died = fustat, start = wait.time, age = round(age, 1),
  surgery))
heart <- heart[is.na(heart$start) | heart$start <= heart$days, ]
write.csv(heart, "tests/golden/data/heart.csv", row.names = FALSE, quote = FALSE)

# Each person's clones, a row an interval: r under observation as it begins, e the event in it, o leaving otherwise.
rows_of <- function(d, ends, grace) {
  low <- c(-1, head(ends, -1)); out <- list()
  for (i in seq_len(nrow(d))) for (arm in c("start", "wait")) {
    s <- if (is.na(d$start[i]) || d$start[i] > grace) Inf else d$start[i]
    stop <- d$days[i]; event <- d$died[i] == 1
    if (arm == "wait" && s < Inf) { stop <- s; event <- FALSE; by_start <- TRUE } else by_start <- FALSE
    if (arm == "start" && s == Inf && (stop > grace || (stop == grace && !event))) { stop <- grace; event <- FALSE; forced <- TRUE } else forced <- FALSE
    for (j in seq_along(ends)) {
      if (forced && low[j] >= grace) break
      inside <- if (event || by_start) stop <= ends[j] else stop < ends[j]
      if (ends[j] == 0 && !by_start) inside <- FALSE
      if (forced) inside <- FALSE
      out[[length(out) + 1]] <- c(i, arm == "wait", j, inside && event, inside && !event)
      if (inside) break
    }
  }
  z <- do.call(rbind, out)
  data.frame(person = z[, 1], arm = ifelse(z[, 2] == 1, "wait", "start"), j = z[, 3], r = 1, e = z[, 4], o = z[, 5])
}
episodes_of <- function(d, ends, grace) {
  g <- which(ends == grace); low <- c(-1, head(ends, -1)); out <- list()
  for (j in seq_len(g)) {
    began <- !is.na(d$start) & d$start <= low[j]
    gone <- if (j == 1) rep(FALSE, nrow(d)) else ifelse(d$died == 1, d$days <= low[j], d$days < low[j])
    if (j > 1 && low[j] == 0) gone <- rep(FALSE, nrow(d))
    i <- which(!began & !gone)
    out[[j]] <- data.frame(person = i, j = j, y = as.integer(!is.na(d$start[i]) & d$start[i] <= ends[j]))
  }
  do.call(rbind, out)
}
# The sixth-order difference of a function of one number.
difference <- function(f, at, h) {
  (45 * (f(at + h) - f(at - h)) - 9 * (f(at + 2 * h) - f(at - 2 * h)) + (f(at + 3 * h) - f(at - 3 * h))) / (60 * h)
}
# Weights of the clones' rows at probabilities of starting (episodes).
weights_of <- function(prob, d, ep, cl, g, largest) {
  p <- began <- matrix(0, nrow(d), g); p[cbind(ep$person, ep$j)] <- prob; began[cbind(ep$person, ep$j)] <- ep$y
  stay <- ifelse(began == 1, 1, 1 / (1 - p)); waits <- matrix(1, nrow(d), g + 1)
  for (j in seq_len(g)) waits[, j + 1] <- waits[, j] * stay[, j]
  w <- ifelse(cl$arm == "wait", waits[cbind(cl$person, pmin(cl$j, g + 1))],
    ifelse(cl$j > g & began[cl$person, g] == 1, 1 / p[cl$person, g], 1))
  pmin(w, largest)
}
# From weighted events, people and leavers by arm and interval (3 x 2 K): both curves of risks, their contrasts, means.
told <- function(u, ends) {
  K <- length(ends); u <- matrix(u, nrow = 3, byrow = TRUE); h <- ifelse(u[2, ] > 0, u[1, ] / (u[2, ] - u[3, ] / 2), 0)
  S <- rbind(cumprod(1 - h[1:K]), cumprod(1 - h[K + 1:K])); width <- diff(c(0, ends))
  mean <- apply(S, 1, function(s) sum(width * (c(1, head(s, -1)) + s) / 2))
  c(1 - S[1, ], 1 - S[2, ], S[2, K] - S[1, K], log(1 - S[1, K]) - log(1 - S[2, K]), mean, mean[1] - mean[2])
}
glm_of <- function(v, d, ep, formula) {
  x <- cbind(ep, d[ep$person, , drop = FALSE]); x$v <- v[ep$person]; x$site <- factor(x$hospital); x$level <- factor(x$j)
  suppressWarnings(glm(formula, binomial, x, weights = v, control = glm.control(epsilon = 1e-15, maxit = 100), x = TRUE))
}
one <- function(data, formula, gagyo, covariates, ends, grace, hospitals, largest = Inf, refit = FALSE) {
  d <- get(data); ep <- episodes_of(d, ends, grace); cl <- rows_of(d, ends, grace); n <- nrow(d); K <- length(ends); g <- which(ends == grace)
  m <- glm_of(rep(1, n), d, ep, formula); X <- m$x; w <- weights_of(fitted(m), d, ep, cl, g, largest)
  cell <- (cl$arm == "wait") * K + cl$j
  sums <- function(w, v = rep(1, n)) c(sapply(list(cl$e, cl$r, cl$o), function(k) { t <- numeric(2 * K); s <- tapply(w * v[cl$person] * k, cell, sum); t[as.integer(names(s))] <- s; t }))
  u <- sums(w); theta <- told(u, ends); eta <- drop(X %*% coef(m))
  by_sum <- sapply(seq_along(u), function(k) if (u[k] > 0) difference(function(t) { z <- u; z[k] <- z[k] + t; told(z, ends) }, 0, 1e-3 * u[k]) else 0 * theta)
  none <- which(u[seq_len(2 * K)] == 0 & u[2 * K + seq_len(2 * K)] > 0) # events that nobody had yet: nobody's weight moves them
  by_sum[, none] <- 0
  by_beta <- sapply(seq_len(ncol(X)), function(j) difference(function(t) sums(weights_of(plogis(eta + t * X[, j]), d, ep, cl, g, largest)), 0, (if (is.finite(largest)) 1e-5 else 1e-3) / max(abs(X[, j])))) # a short step: nobody crosses the bound
  own <- do.call(cbind, lapply(list(cl$e, cl$r, cl$o), function(k) { t <- matrix(0, n, 2 * K); z <- aggregate(list(s = w * k), list(i = cl$person, c = cell), sum); t[cbind(z$i, z$c)] <- z$s; t }))
  A <- crossprod(X * (fitted(m) * (1 - fitted(m))), X); scaled <- sqrt(diag(A)); inverse <- t(solve(A / scaled %o% scaled) / scaled) / scaled
  score <- matrix(0, n, ncol(X)); s <- rowsum(X * (m$y - fitted(m)), ep$person); score[as.integer(rownames(s)), ] <- s
  influence <- (own + score %*% inverse %*% t(by_beta)) %*% t(by_sum)
  error <- sqrt(colSums(influence^2))
  if (refit) {
    moved <- function(i, t) { v <- rep(1, n); v[i] <- 1 + t; told(sums(weights_of(fitted(glm_of(v, d, ep, formula)), d, ep, cl, g, largest), v), ends) }
    again <- sqrt(colSums(t(sapply(seq_len(n), function(i) difference(function(t) moved(i, t), 0, 0.02)))^2))
    stopifnot(max(abs(again - error) / pmax(error, 1e-12)) < 1e-7)
  }
  past <- cl$j == g + 1
  means <- sapply(covariates, function(name) sapply(c("start", "wait"), function(a) { k <- past & cl$arm == a; weighted.mean(d[cl$person[k], name], w[k]) }))
  people <- matrix(sums(rep(1, length(w)))[2 * K + seq_len(2 * K)], 2, byrow = TRUE); at_risk <- matrix(u[2 * K + seq_len(2 * K)], 2, byrow = TRUE)
  squares <- matrix(sums(w^2)[2 * K + seq_len(2 * K)], 2, byrow = TRUE); effective <- at_risk^2 / squares
  bands <- sapply(c("start", "wait"), function(a) table(cut(pmin(1 / w[past & cl$arm == a], 1 - 1e-16), seq(0, 1, 1 / 16), right = FALSE)))
  names <- setdiff(grep("level|site|Intercept", names(coef(m)), invert = TRUE, value = TRUE), ""); k <- match(names, names(coef(m)))
  list(data = data, adjust = gagyo, covariates = covariates, ends = ends, grace = grace, hospitals = hospitals, largest = if (is.finite(largest)) largest else NULL,
    people = n, terms = names, coefficients = unname(coef(m)[k]), coefficient_errors = sqrt(diag(inverse))[k],
    risks = list(start = theta[1:K], wait = theta[K + 1:K]), risk_errors = list(start = error[1:K], wait = error[K + 1:K]),
    at_risk = list(start = people[1, ], wait = people[2, ]), effective = list(start = effective[1, ], wait = effective[2, ]),
    bands = unname(as.matrix(unname(bands))), difference = theta[2 * K + 1], difference_error = error[2 * K + 1], log_ratio = theta[2 * K + 2], log_ratio_error = error[2 * K + 2],
    means = theta[2 * K + 3:5], mean_errors = error[2 * K + 3:5], balance = lapply(seq_along(covariates), function(j) unname(means[, j])))
}
cases <- list(
  grafts_own = one("grafts", y ~ level + age + severe + site, "age + severe", c("age", "severe"), c(45, 90, 180, 360), 90, "own"),
  grafts_pooled = one("grafts", y ~ age * severe, "age * severe", c("age", "severe"), c(90, 180, 270, 360), 90, "pooled", largest = 2.5),
  heart_zero = one("heart", y ~ level + age + surgery, "age + surgery", c("age", "surgery"), c(0, 14, 30, 90, 365), 30, "pooled", refit = TRUE))
out <- list(script = "tests/golden/r/target_trial.R", R = R.version.string, survival = as.character(packageVersion("survival")), cases = cases)
write_json(out, "tests/golden/target_trial.json", digits = NA, auto_unbox = TRUE, null = "null")
