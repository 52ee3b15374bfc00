# Fine and Gray's model by R's survival (finegray, coxph) and cmprsk (crr), on survival's mgus2 data (Kyle et al. 2002):
# plasma cell malignancy, with death before it as the competing event; every fourth row is one hospital's.
suppressMessages({library(survival); library(cmprsk); library(jsonlite)})

mgus <- survival::mgus2
mgus <- within(mgus, {
  months <- ifelse(pstat == 1, ptime, futime)
  ending <- factor(ifelse(pstat == 1, 1, 2 * death), 0:2, labels = c("alive", "malignancy", "death"))
  female <- as.integer(sex == "F")
  size <- factor(findInterval(mspike, c(0.8, 1.5)), labels = c("small", "middling", "large"))
  decades <- age / 10
})
mgus <- mgus[complete.cases(mgus[, c("hgb", "mspike")]), ]
mgus$hospital <- (seq_len(nrow(mgus)) - 1) %% 4
mgus$row <- seq_len(nrow(mgus))
mgus <- mgus[, c("hospital", "months", "ending", "decades", "female", "hgb", "mspike", "size", "row")]
write.csv(mgus[, -9], "tests/golden/data/mgus.csv", row.names = FALSE, quote = FALSE)

tight <- coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 60)

# The fit of weighted rows, with the hospitals as strata of both the hazard and the censoring. Its robust errors take
# the censoring for known.
weighted <- function(right, event, data) {
  long <- finegray(Surv(months, ending) ~ . + strata(hospital), data, etype = event)
  m <- coxph(as.formula(paste("Surv(fgstart, fgstop, fgstatus) ~", right, "+ strata(hospital)")), long, weights = fgwt,
    ties = "breslow", control = tight, cluster = row)
  list(coefficients = unname(coef(m)), log_likelihood = m$loglik, known = unname(sqrt(diag(m$var))))
}

# The same by crr, which adds the estimate of the censoring to its variance: each hospital evaluated without a step, and
# Newton's steps on their sums. crr counts who has an event among those who could be censored at that time; half a
# month later, they no longer are.
parts <- function(right, data, cause, beta) lapply(split(data, data$hospital), function(one) {
  X <- model.matrix(as.formula(paste("~", right)), one)[, -1, drop = FALSE]
  ending <- as.integer(one$ending) - 1
  m <- crr(one$months + ifelse(ending == 0, 0.5, 0), ending, X, failcode = cause, cencode = 0, init = beta, maxiter = 0)
  information <- solve(m$invinf)
  list(score = colSums(m$res), information = information, meat = information %*% m$var %*% information,
    log_likelihood = c(m$loglik.null, m$loglik))
})
summed <- function(all, name) Reduce(`+`, lapply(all, `[[`, name))
sandwich <- function(right, data, cause) {
  beta <- rep(0, ncol(model.matrix(as.formula(paste("~", right)), data)) - 1)
  for (step in 1:12) {
    all <- parts(right, data, cause, beta)
    beta <- beta + solve(summed(all, "information"), summed(all, "score"))
  }
  bread <- solve(summed(all, "information"))
  list(coefficients = unname(beta), log_likelihood = summed(all, "log_likelihood"),
    errors = unname(sqrt(diag(bread %*% summed(all, "meat") %*% bread))))
}

case <- function(right, event, gagyo = right) {
  cause <- match(event, levels(mgus$ending)) - 1
  list(formula = paste("ending ~", gagyo), event = event, people = nrow(mgus), events = sum(mgus$ending == event),
    competing = sum(!mgus$ending %in% c("alive", event)), finegray = weighted(right, event, mgus),
    crr = sandwich(right, mgus, cause))
}

# Predicted cumulative incidence: each hospital's Breslow baseline of the weighted rows at the times told, their mean
# weighted by people.
times <- c(24, 60, 120, 180)
people <- data.frame(decades = c(6, 8), female = c(1, 0), hgb = c(14, 10.5), mspike = c(0.5, 2))
predicted <- function(event) {
  long <- finegray(Surv(months, ending) ~ . + strata(hospital), mgus, etype = event)
  m <- coxph(Surv(fgstart, fgstop, fgstatus) ~ decades + female + hgb + mspike + strata(hospital), long, weights = fgwt,
    ties = "breslow", control = tight)
  hazards <- lapply(0:3, function(h) {
    curve <- survfit(m, newdata = cbind(people, hospital = h), se.fit = FALSE, stype = 2, ctype = 1)
    summary(curve, times = times, extend = TRUE)$cumhaz
  })
  share <- as.numeric(table(mgus$hospital)) / nrow(mgus)
  list(event = event, times = times, people = people,
    incidence = 1 - exp(-Reduce(`+`, Map(function(hazard, one) hazard * one, hazards, share))))
}

out <- list(script = "tests/golden/r/fine_gray.R", R = R.version.string,
  survival = as.character(packageVersion("survival")), cmprsk = as.character(packageVersion("cmprsk")),
  fits = list(
    malignancy = case("decades + female + hgb + mspike", "malignancy"),
    death = case("decades + female + hgb + mspike", "death"),
    factor = case("female + size", "malignancy", "female + C(size)"),
    interaction = case("decades * mspike", "malignancy")),
  predicted = list(malignancy = predicted("malignancy"), death = predicted("death")))
write_json(out, "tests/golden/fine_gray.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", na = "null")
