# Survival by R's survival package on its lung data (Loprinzi et al. 1994), the institutions as four hospitals.
suppressMessages({library(survival); library(jsonlite)})

groups <- list(c(1, 2, 3, 4), c(5, 6, 7, 10, 11), c(12, 13, 15, 16), c(21, 22, 26, 32, 33))
lung <- survival::lung
lung <- lung[!is.na(lung$inst) & !is.na(lung$ph.ecog) & !is.na(lung$ph.karno), ]
lung <- within(lung, {
  hospital <- sapply(inst, function(i) which(sapply(groups, function(g) i %in% g))) - 1
  died <- as.integer(status == 2)
  female <- as.integer(sex == 2)
  ecog <- factor(pmin(ph.ecog, 2), labels = c("full", "restricted", "limited"))
  karno <- ph.karno
  # An invented cause of death, so that there are competing events: of people who could care for themselves, or not.
  cause <- factor(ifelse(died == 0, 0, ifelse(ph.karno >= 80, 1, 2)), labels = c("alive", "able", "unable"))
  interval <- findInterval(time, c(90, 180, 270, 360, 450), left.open = TRUE) + 1
  row <- seq_along(time)
  entry <- (row * 37) %% 211
  entry <- ifelse(entry < time, entry, 0)
})[, c("hospital", "time", "died", "entry", "age", "female", "ecog", "karno", "cause", "interval")]
write.csv(lung, "tests/golden/data/lung.csv", row.names = FALSE, quote = FALSE)

# Cox models. With eps = 1e-14 the fit is converged to machine precision.
tight <- coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 60)
cox <- function(formula, gagyo, ties = "efron", entry = FALSE, strata = "", hospitals = TRUE) {
  m <- coxph(formula, lung, ties = ties, control = tight, x = TRUE)
  r <- coxph(formula, lung, ties = ties, control = tight, cluster = seq_len(nrow(lung)))
  zph <- function(transform) {
    z <- cox.zph(m, transform = transform)
    z$table[, ]
  }
  list(formula = gagyo, ties = ties, entry = entry, strata = strata, hospitals = hospitals, people = m$n, events = m$nevent,
    terms = names(coef(m)), coefficients = unname(coef(m)), errors = unname(sqrt(diag(vcov(m)))),
    robust = unname(sqrt(diag(vcov(r)))), log_likelihood = m$loglik, score_test = m$score,
    zph_identity = unname(zph("identity")), zph_log = unname(zph("log")))
}
spline <- function(x, ...) Hmisc::rcspline.eval(x, c(...), inclx = TRUE, norm = 2)
models <- list(
  efron = cox(Surv(time, died) ~ age + female + karno + strata(hospital), "died ~ age + female + karno"),
  breslow = cox(Surv(time, died) ~ age + female + karno + strata(hospital), "died ~ age + female + karno", "breslow"),
  factor = cox(Surv(time, died) ~ female + ecog + strata(hospital), "died ~ female + C(ecog)"),
  interaction = cox(Surv(time, died) ~ age * female + strata(hospital), "died ~ age * female"),
  curved = cox(Surv(time, died) ~ spline(age, 50, 60, 65, 75) + female + strata(hospital), "died ~ rcs(age, 50, 60, 65, 75) + female"),
  truncated = cox(Surv(entry, time, died) ~ age + female + strata(hospital), "died ~ age + female", entry = TRUE),
  truncated_breslow = cox(Surv(entry, time, died) ~ age + female + strata(hospital), "died ~ age + female", "breslow", entry = TRUE),
  more_strata = cox(Surv(time, died) ~ age + karno + strata(hospital, female), "died ~ age + karno", strata = "female"))

# Log-rank tests, people compared within hospitals.
logrank <- function(rho) {
  s <- survdiff(Surv(time, died) ~ female + strata(hospital), lung, rho = rho)
  list(rho = rho, observed = rowSums(s$obs), expected = rowSums(s$exp), variance = s$var[1, 1], chi = s$chisq)
}
three <- survdiff(Surv(time, died) ~ ecog + strata(hospital), lung)
tests <- list(plain = logrank(0), peto = logrank(1), half = logrank(0.5),
  three = list(observed = rowSums(three$obs), expected = rowSums(three$exp), chi = three$chisq))

# Curves on a grid of times: people who leave within an interval leave at its end; of those censored, half count as at
# risk through it (actuarial). A weighted survfit says both.
cuts <- c(90, 180, 270, 360, 450, 1022)
end <- cuts[findInterval(lung$time, cuts, left.open = TRUE) + 1]
curve <- function(chosen) {
  d <- data.frame(end = end, died = lung$died)[chosen, ]
  half <- rbind(transform(d[d$died == 1, ], w = 1), transform(d[d$died == 0, ], w = 0.5),
    transform(d[d$died == 0, ], w = 0.5, end = end - 0.5))
  s <- summary(survfit(Surv(end, died) ~ 1, half, weights = w, conf.type = "log-log", robust = FALSE), times = cuts)
  plain <- summary(survfit(Surv(end, died) ~ 1, d, conf.type = "log-log"), times = cuts)
  list(survival = s$surv, error = s$std.err, lower = s$lower, upper = s$upper, at_end = plain$surv)
}
gridded <- function(rho) {
  s <- survdiff(Surv(end, lung$died) ~ lung$female, rho = rho)
  list(rho = rho, observed = s$obs, expected = s$exp, chi = s$chisq)
}
# Restricted mean to 450 days: the area under the curve, straight between the grid's times; its error by the delta method.
area <- function(factors, edges, to) {
  S <- cumprod(c(1, factors)); e <- c(0, edges); keep <- e <= to
  sum(diff(e[keep]) * (head(S[keep], -1) + tail(S[keep], -1)) / 2)
}
rmst <- function(chosen, to = 450) {
  inside <- chosen & TRUE
  n <- sapply(c(0, cuts[-6]), function(t) sum(end[inside] > t))
  d <- sapply(cuts, function(t) sum(end[inside] == t & lung$died[inside] == 1))
  c <- sapply(cuts, function(t) sum(end[inside] == t & lung$died[inside] == 0))
  left <- n - c / 2; f <- 1 - d / left
  g <- sapply(1:5, function(k) { h <- 1e-6; up <- f; up[k] <- f[k] * exp(h); dn <- f; dn[k] <- f[k] * exp(-h)
    (area(up, cuts, to) - area(dn, cuts, to)) / (2 * h) })
  v <- (d / (left * (left - d)))[1:5]
  list(mean = area(f, cuts, to), error = sqrt(sum(g^2 * v)))
}
# Cox models with one baseline hazard, of times rounded up to a grid in whose intervals enough women and men leave.
coarse <- c(90, 270, 360, 1022)
common <- function(ties) {
  rounded <- transform(lung, end = coarse[findInterval(lung$time, coarse, left.open = TRUE) + 1])
  m <- coxph(Surv(end, died) ~ age + female + karno, rounded, ties = ties, control = tight)
  h <- basehaz(m, centered = FALSE)
  list(coefficients = unname(coef(m)), errors = unname(sqrt(diag(vcov(m)))), log_likelihood = m$loglik, hazard = h$hazard)
}
male <- lung$female == 0
whole <- survfit(Surv(time, died) ~ female, lung, conf.type = "log-log")
ungridded <- summary(whole, times = cuts)

# Competing events: on intervals as times of their own, and on the grid with half weights for those censored within.
multi <- survfit(Surv(interval, cause) ~ 1, lung)
halves <- data.frame(end = end, cause = lung$cause, w = 1)
halves <- rbind(subset(halves, cause != "alive"), transform(subset(halves, cause == "alive"), w = 0.5),
  transform(subset(halves, cause == "alive"), w = 0.5, end = end - 0.5))
gridded_causes <- summary(survfit(Surv(end, cause) ~ 1, halves, weights = w), times = cuts)
exact <- summary(survfit(Surv(time, cause) ~ 1, lung), times = cuts)
causes <- list(single = multi$pstate[, 2:3], errors = multi$std.err[, 2:3], grid = gridded_causes$pstate[, 2:3],
  exact = exact$pstate[, 2:3])

out <- list(script = "tests/golden/r/survival.R", R = R.version.string,
  survival = as.character(packageVersion("survival")), cox = models, log_rank = tests, causes = causes,
  grid = list(cuts = cuts, male = curve(male), female = curve(!male), log_rank = list(plain = gridded(0), peto = gridded(1)),
    cox_cuts = coarse, cox = list(efron = common("efron"), breslow = common("breslow")), rmst = list(male = rmst(male), female = rmst(!male)),
    ungridded = split(ungridded$surv, ungridded$strata), medians = unname(summary(whole)$table[, c("median", "0.95LCL", "0.95UCL")])))
write_json(out, "tests/golden/survival.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", na = "null")
