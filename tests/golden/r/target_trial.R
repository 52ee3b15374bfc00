# Emulated target trials by clones as rows: each person twice, split at the grid, with glm's probabilities of starting and
# hazards of weighted sums. Errors: every person's weight is moved and everything is fitted again (infinitesimal
# jackknife), by differences of the fourth order. Data: Stanford heart transplants (Crowley & Hu 1977), and simulated
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
      out[[length(out) + 1]] <- data.frame(person = i, arm = arm, j = j, r = 1, e = as.integer(inside && event), o = as.integer(inside && !event))
      if (inside) break
    }
  }
  do.call(rbind, out)
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
fit_of <- function(v, d, ep, cl, ends, grace, formula, largest) {
  g <- which(ends == grace); K <- length(ends); x <- cbind(ep, d[ep$person, , drop = FALSE]); x$v <- v[ep$person]; x$site <- factor(x$hospital)
  x$level <- factor(x$j)
  m <- suppressWarnings(glm(formula, binomial, x, weights = v, control = glm.control(epsilon = 1e-15, maxit = 100)))
  p <- matrix(0, nrow(d), g); p[cbind(ep$person, ep$j)] <- fitted(m)
  began <- matrix(0, nrow(d), g); began[cbind(ep$person, ep$j)] <- ep$y
  stay <- ifelse(began == 1, 1, 1 / (1 - p)); w_wait <- t(apply(cbind(1, stay), 1, cumprod)); if (g == 1) w_wait <- cbind(1, stay[, 1])
  w <- ifelse(cl$arm == "wait", w_wait[cbind(cl$person, pmin(cl$j, g + 1))],
    ifelse(cl$j > g & began[cl$person, g] == 1, 1 / p[cl$person, g], 1))
  w <- pmin(w, largest) ; W <- w * v[cl$person]
  by <- function(x) { t <- tapply(x, list(cl$arm, factor(cl$j, seq_len(K))), sum); t[is.na(t)] <- 0; t[c("start", "wait"), , drop = FALSE] }
  h <- by(W * cl$e) / (by(W * cl$r) - by(W * cl$o) / 2)
  S <- t(apply(1 - h, 1, cumprod)); width <- diff(c(0, ends))
  mean <- apply(S, 1, function(s) sum(width * (c(1, head(s, -1)) + s) / 2))
  past <- cl$j == g + 1
  list(model = m, hazards = h, survival = S, mean = mean, at_risk = by(W * cl$r), squares = by(w^2 * cl$r), people = by(cl$r), w = w, past = past,
    theta = c(1 - S["start", ], 1 - S["wait", ], S["wait", K] - S["start", K], log(1 - S["start", K]) - log(1 - S["wait", K]), mean["start"], mean["wait"], mean["start"] - mean["wait"]))
}
one <- function(data, formula, gagyo, covariates, ends, grace, hospitals, largest = Inf) {
  d <- get(data); ep <- episodes_of(d, ends, grace); cl <- rows_of(d, ends, grace); n <- nrow(d); K <- length(ends)
  f <- fit_of(rep(1, n), d, ep, cl, ends, grace, formula, largest)
  moved <- function(i, h) { v <- rep(1, n); v[i] <- 1 + h; fit_of(v, d, ep, cl, ends, grace, formula, largest)$theta }
  h <- 0.01
  influence <- t(sapply(seq_len(n), function(i) (8 * (moved(i, h) - moved(i, -h)) - (moved(i, 2 * h) - moved(i, -2 * h))) / (12 * h)))
  error <- sqrt(colSums(influence^2))
  means <- sapply(covariates, function(name) sapply(c("start", "wait"), function(a) { k <- f$past & cl$arm == a; weighted.mean(d[cl$person[k], name], f$w[k]) }))
  names <- grep("level|site|Intercept", names(coef(f$model)), invert = TRUE, value = TRUE)
  list(data = data, adjust = gagyo, covariates = covariates, ends = ends, grace = grace, hospitals = hospitals, largest = if (is.finite(largest)) largest else NULL,
    people = n, terms = names, coefficients = unname(coef(f$model)[names]), coefficient_errors = unname(sqrt(diag(vcov(f$model)))[names]),
    risk_start = unname(1 - f$survival["start", ]), risk_wait = unname(1 - f$survival["wait", ]), at_risk_start = unname(f$people["start", ]), at_risk_wait = unname(f$people["wait", ]),
    effective_start = unname((f$at_risk^2 / f$squares)["start", ]), effective_wait = unname((f$at_risk^2 / f$squares)["wait", ]),
    risk_errors_start = unname(error[1:K]), risk_errors_wait = unname(error[K + 1:K]), difference = unname(f$theta[2 * K + 1] ), difference_error = unname(error[2 * K + 1]),
    log_ratio = unname(f$theta[2 * K + 2]), log_ratio_error = unname(error[2 * K + 2]), mean = unname(f$theta[2 * K + 3:5]), mean_error = unname(error[2 * K + 3:5]),
    balance = lapply(seq_along(covariates), function(j) unname(means[, j])))
}
cases <- list(
  grafts_own = one("grafts", y ~ level + age + severe + site, "age + severe", c("age", "severe"), c(45, 90, 180, 360), 90, "own"),
  grafts_pooled = one("grafts", y ~ level + age * severe, "age * severe", c("age", "severe"), c(90, 180, 270, 360), 90, "pooled", largest = 2.5),
  heart_zero = one("heart", y ~ level + age + surgery, "age + surgery", c("age", "surgery"), c(0, 14, 30, 90, 365), 30, "pooled"))
out <- list(script = "tests/golden/r/target_trial.R", R = R.version.string, survival = as.character(packageVersion("survival")), cases = cases)
write_json(out, "tests/golden/target_trial.json", digits = NA, auto_unbox = TRUE, null = "null")
