# Hazard ratios under propensity weights by survival's coxph, on its rotterdam data (breast cancer, hormonal treatment
# not randomised; Foekens et al. 2000) and lung data; errors with the weights as given are coxph's, with the weights
# estimated they are from stacked equations, whose derivatives are differences of coxph's own score.
suppressMessages({library(survival); library(jsonlite)})

cancer <- with(survival::rotterdam, data.frame(hospital = (seq_along(pid) - 1) %% 4, days = dtime, died = death,
  relapsed = recur, until = rtime, hormon, age, nodes, chemo, grade3 = as.integer(grade == 3), tumour = c("small", "middling", "large")[size]))
cancer <- cancer[cancer$nodes > 0, ]
cancer$months <- ceiling(cancer$days / 30.4375)
write.csv(cancer, "tests/golden/data/rotterdam.csv", row.names = FALSE, quote = FALSE)
cancer$tumour <- factor(cancer$tumour, c("small", "middling", "large"))
lung <- read.csv("tests/golden/data/lung.csv")
tight <- coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 60)

weigh <- function(e, a, share, w) {
  e <- pmin(pmax(e, w$low), w$high)
  raw <- switch(w$estimand, ate = ifelse(a == 1, 1 / e, 1 / (1 - e)), att = ifelse(a == 1, 1, e / (1 - e)),
    ato = ifelse(a == 1, 1 - e, e))
  if (w$stabilised) raw <- raw * ifelse(a == 1, share, 1 - share)
  pmin(raw, w$largest)
}
# The sixth-order difference of a function of one number.
difference <- function(f, at, h) {
  (45 * (f(at + h) - f(at - h)) - 9 * (f(at + 2 * h) - f(at - 2 * h)) + (f(at + 3 * h) - f(at - 3 * h))) / (60 * h)
}

one <- function(data, formula, gagyo, time, event, estimand, ties = "efron", hospitals = "own", stabilised = FALSE, low = 0,
                high = 1, largest = Inf) {
  d <- get(data); w <- list(estimand = estimand, stabilised = stabilised, low = low, high = high, largest = largest)
  d$site <- factor(d$hospital); full <- if (hospitals == "own") update(formula, . ~ . + site) else formula
  m <- eval(bquote(glm(.(full), binomial, d, control = glm.control(epsilon = 1e-15, maxit = 100)))); X <- model.matrix(m)
  a <- m$y; e <- fitted(m); share <- mean(a); d$k <- weigh(e, a, share, w); d$a <- a; d$row <- seq_along(a)
  d$time <- d[[time]]; d$event <- d[[event]]
  fit <- coxph(Surv(time, event) ~ a + strata(site), d, weights = k, ties = ties, robust = TRUE, cluster = row, control = tight)
  b <- unname(coef(fit))
  score <- function(k) { d$k <- k
    m <- coxph(Surv(time, event) ~ a + strata(site), d, weights = k, ties = ties, init = b, control = coxph.control(iter.max = 0))
    sum(k * residuals(m, "score")) }
  p <- ncol(X); eta <- drop(X %*% coef(m))
  by <- sapply(seq_len(p), function(j) difference(function(t) score(weigh(plogis(eta + t * X[, j]), a, share, w)), 0, 1e-3 / max(abs(X[, j]))))
  by <- c(by, difference(function(t) score(weigh(e, a, share + t, w)), 0, 1e-3))
  A <- rbind(cbind(crossprod(X * (e * (1 - e)), X), 0), c(rep(0, p), length(a)))
  parts <- cbind(X * (a - e), a - share); scaled <- sqrt(diag(A))
  inverse <- t(solve(A / scaled %o% scaled) / scaled) / scaled
  z <- d$k * residuals(fit, "score") + drop(parts %*% inverse %*% by)
  list(data = data, formula = gagyo, time = time, event = event, estimand = estimand, ties = ties, hospitals = hospitals,
    stabilised = stabilised, low = low, high = high, largest = if (is.finite(largest)) largest else NULL,
    people = length(a), log_ratio = b, given = sqrt(fit$var[1, 1]), estimated = sqrt(sum(z^2)) * fit$naive.var[1, 1],
    events = c(sum(d$event[a == 1]), sum(d$event[a == 0])), weighted_events = c(sum((d$k * d$event)[a == 1]), sum((d$k * d$event)[a == 0])))
}
hormon <- function(...) one("cancer", hormon ~ age + nodes + chemo + tumour, "hormon ~ age + nodes + chemo + C(tumour)", ...)
female <- function(...) one("lung", female ~ age + karno, "female ~ age + karno", "time", "died", ...)
cases <- list(
  death_ate = hormon("days", "died", estimand = "ate"), death_att = hormon("days", "died", estimand = "att"),
  death_ato = hormon("days", "died", estimand = "ato"), months_efron = hormon("months", "died", estimand = "ate", stabilised = TRUE),
  months_breslow = hormon("months", "died", estimand = "ate", stabilised = TRUE, ties = "breslow", largest = 3),
  relapse_bounds = hormon("until", "relapsed", estimand = "ate", low = 0.1, high = 0.7),
  relapse_pooled = hormon("until", "relapsed", estimand = "att", hospitals = "pooled"),
  lung_ate = female(estimand = "ate", hospitals = "pooled"), lung_stable = female(estimand = "ate", hospitals = "pooled", stabilised = TRUE, largest = 1.4))
# A curve of people with weights at times that are `edges`, and its mean to `tau`: straight between edges, or in steps.
# Errors are survfit's robust ones over people; a mean's are made of survfit's own derivatives of the survival.
curve <- function(rows, edges, tau, steps) {
  rows <<- rows; fit <- survfit(Surv(t, e) ~ 1, rows, weights = k, robust = TRUE, cluster = row, conf.type = "log-log")
  s <- summary(fit, times = edges); until <- edges[edges <= tau]; wide <- diff(c(0, until))
  weights <- if (steps) c(wide[-1], 0) else (wide + c(wide[-1], 0)) / 2
  influence <- rowsum(residuals(fit, times = until, type = "pstate", weighted = TRUE), rows$row)
  list(survival = s$surv, error = s$std.err, lower = s$lower, upper = s$upper,
    mean = if (steps) wide[1] + sum(weights * s$surv[seq_along(until)]) else wide[1] / 2 + sum(weights * s$surv[seq_along(until)]),
    mean_error = sqrt(sum((influence %*% weights)^2)))
}
# Both groups on a grid: events at an interval's end, and of those censored half the weight before it and half at it.
curves <- function(name, formula, gagyo, time, event, estimand, edges, tau, low = 0, high = 1) {
  d <- get(name); w <- list(estimand = estimand, stabilised = FALSE, low = low, high = high, largest = Inf)
  d$site <- factor(d$hospital); m <- eval(bquote(glm(.(update(formula, . ~ . + site)), binomial, d, control = glm.control(epsilon = 1e-15, maxit = 100))))
  a <- m$y; k <- weigh(fitted(m), a, mean(a), w); ends <- c(edges, max(d[[time]]) + 1); starts <- c(0, edges)
  at <- findInterval(d[[time]], edges, left.open = TRUE) + 1; half <- d[[event]] == 0
  rows <- data.frame(row = seq_along(a), a, t = ends[at], e = d[[event]], k = ifelse(half, k / 2, k))
  rows <- rbind(rows, data.frame(row = which(half), a = a[half], t = (starts[at] + ends[at])[half] / 2, e = 0, k = k[half] / 2))
  both <- lapply(1:0, function(g) curve(rows[rows$a == g, ], edges, tau, FALSE)); names(both) <- c("treated", "untreated")
  list(data = name, formula = gagyo, time = time, event = event, estimand = estimand, low = low, high = high, edges = edges, tau = tau, curves = both)
}
drawn <- list(
  death_ate = curves("cancer", hormon ~ age + nodes + chemo + tumour, "hormon ~ age + nodes + chemo + C(tumour)", "days", "died", "ate", c(1100, 1826, 2200, 2550, 3000), 2550, low = 0.08, high = 0.95),
  relapse_att = curves("cancer", hormon ~ age + nodes + chemo, "hormon ~ age + nodes + chemo", "until", "relapsed", "att", c(1100, 1826, 2550), 1826),
  death_ato = curves("cancer", hormon ~ age + nodes, "hormon ~ age + nodes", "days", "died", "ato", c(1200, 2000, 2900), 2900))
lungs <- with(lung, data.frame(row = seq_along(time), t = ceiling(time / 30), e = died, k = 0.4 + (seq_along(time) %% 7) / 3))
months <- sort(unique(lungs$t)); months <- months[months <= 30]
exact <- c(list(time = lungs$t, event = lungs$e, weight = lungs$k, edges = months, tau = 20), curve(lungs, months, 20, TRUE))
out <- list(script = "tests/golden/r/weighted_survival.R", R = R.version.string, survival = as.character(packageVersion("survival")), cases = cases, curves = drawn, exact = exact)
write_json(out, "tests/golden/weighted_survival.json", digits = NA, auto_unbox = TRUE, null = "null")
