# Power and sample size by R's own functions, pwr, rpact and pROC; where there is none, by R's distributions and integrals.
suppressMessages({library(rpact); library(pwr); library(pROC); library(jsonlite)})
tight <- 1e-13
both <- function(n, d, sd, alpha) power.t.test(n, d, sd, alpha, strict = TRUE)$power
# Two one-sided t tests over the quantiles of the deviation's distribution: another integral than over the deviation.
tost <- function(d, margin, sd, n, m, alpha) {
  se <- sd * sqrt(1/n + 1/m); df <- n + m - 2; t <- qt(1 - alpha, df)
  f <- function(p) { u <- sqrt(qchisq(p, df) / df); pmax(0, pnorm(margin/se - t*u - d/se) - pnorm(t*u - margin/se - d/se)) }
  integrate(f, 0, pchisq(df * (margin/se/t)^2, df), rel.tol = 1e-12, subdivisions = 5000L)$value
}
means <- list(
  two_sided = list(power = both(64, 5, 10, .05), unequal = pwr.t2n.test(40, 90, .5, .05)$power,
    n = power.t.test(delta = 5, sd = 10, power = .9, strict = TRUE, tol = tight)$n,
    small = power.t.test(delta = 21, sd = 10, power = .8, strict = TRUE, tol = tight)$n),
  one_sided = list(power = power.t.test(50, 4, 10, .025, alternative = "one.sided")$power,
    n = power.t.test(delta = 4, sd = 10, sig.level = .025, power = .8, alternative = "one.sided", tol = tight)$n),
  rpact = getSampleSizeMeans(alternative = 5, stDev = 10, alpha = .05, sided = 2, beta = .1, allocationRatioPlanned = 2)$nFixed,
  non_inferiority = getSampleSizeMeans(thetaH0 = -3, alternative = 1, stDev = 8, alpha = .025, sided = 1, beta = .1)$nFixed,
  equivalence = list(equal = tost(.5, 4, 8, 60, 60, .05), unequal = tost(-1, 4, 8, 50, 75, .05), small = tost(0, 10, 8, 7, 9, .05)))
rates <- function(...) getSampleSizeRates(..., normalApproximation = TRUE)$nFixed
proportions <- list(
  two_sided = list(power = power.prop.test(100, .35, .5)$power, n = power.prop.test(p1 = .35, p2 = .5, power = .9, tol = tight)$n,
    rare = power.prop.test(p1 = .02, p2 = .05, power = .8, tol = tight)$n),
  unequal = rates(pi1 = .5, pi2 = .35, alpha = .05, sided = 2, beta = .1, allocationRatioPlanned = 2),
  non_inferiority = list(higher = rates(thetaH0 = -.1, pi1 = .82, pi2 = .8, alpha = .025, beta = .1, sided = 1),
    unequal = rates(thetaH0 = -.07, pi1 = .9, pi2 = .9, alpha = .025, beta = .2, sided = 1, allocationRatioPlanned = 2),
    lower = rates(thetaH0 = .05, pi1 = .1, pi2 = .1, alpha = .025, beta = .2, sided = 1)),
  equivalence = {d <- .05; m <- .2; se <- sqrt(.6*.4/100 + .65*.35/100); z <- qnorm(.95); pnorm((m-d)/se - z) + pnorm((m+d)/se - z) - 1})
# The chance of an event by integrating over the day of entry.
chance <- function(h, loss, accrual, after) integrate(function(s) h/(h+loss) * (1 - exp(-(h+loss) * (accrual + after - s))) / accrual,
  0, accrual, rel.tol = 1e-13)$value
lf <- function(h1, hr, loss, accrual, after, power, q2) {
  q1 <- 1 - q2; h2 <- h1 * hr; v <- function(h) h^2 / chance(h, loss, accrual, after); p <- q1*h1 + q2*h2
  ((qnorm(.975) * sqrt(v(p) * (1/q1 + 1/q2)) + qnorm(power) * sqrt(v(h1)/q1 + v(h2)/q2)) / (h1 - h2))^2 }
course <- function(..., loss = .05, ratio = 1) { x <- getSampleSizeSurvival(hazardRatio = .7, lambda2 = .05, accrualTime = c(0, 24), followUpTime = 18,
  alpha = .05, sided = 2, beta = .1, dropoutRate1 = loss, dropoutRate2 = loss, dropoutTime = 12, allocationRatioPlanned = ratio); c(x$eventsFixed, x$nFixed) }
times <- list(equal = course(), unequal = course(ratio = 2), no_loss = course(loss = 0),
  non_inferiority = getSampleSizeSurvival(thetaH0 = 1.3, hazardRatio = 1, lambda2 = .05, accrualTime = c(0, 24), followUpTime = 18, alpha = .025,
    sided = 1, beta = .1)$eventsFixed,
  chance = chance(.05, .01, 24, 18), lachin_foulkes = c(lf(.05, .7, .005, 24, 18, .9, .5), lf(.1, .6, 0, 12, 6, .8, 2/3)))
roc <- function(auc, kappa) { x <- power.roc.test(auc = auc, power = .9, kappa = kappa); c(x$ncases, x$ncontrols) }
hm <- function(a, n, m) { q1 <- a/(2-a); q2 <- 2*a^2/(1+a); (a*(1-a) + (n-1)*(q1-a^2) + (m-1)*(q2-a^2)) / (n*m) }
test <- function(a, a0, k) uniroot(function(n) pnorm(((a-a0) - qnorm(.975)*sqrt(hm(a0, n, k*n))) / sqrt(hm(a, n, k*n))) - .9, c(2, 1e5), tol = tight)$root
accuracy <- list(obuchowski = list(roc(.8, 1), roc(.7, 3), roc(.65, .5)),
  obuchowski_power = power.roc.test(auc = .7, ncases = 60, ncontrols = 90)$power,
  hanley_mcneil = c(test(.8, .5, 1), test(.85, .75, 2)),
  wilson = { x <- prop.test(45, 50, correct = FALSE)$conf.int; (x[2] - x[1]) / 2 }, exact = { x <- binom.test(45, 50)$conf.int; (x[2] - x[1]) / 2 },
  all_found = { x <- binom.test(50, 50)$conf.int; (x[2] - x[1]) / 2 })
write_json(list(script = "tests/golden/r/sizes.R", R = R.version.string, rpact = as.character(packageVersion("rpact")),
  pwr = as.character(packageVersion("pwr")), pROC = as.character(packageVersion("pROC")),
  means = means, proportions = proportions, times = times, accuracy = accuracy), "tests/golden/sizes.json", digits = NA, auto_unbox = TRUE)
