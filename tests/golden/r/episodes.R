# Covariates that change at a person's own time, by R's survival package: the Stanford heart transplants (Crowley & Hu
# 1977) and the breast cancers of Rotterdam, which may relapse; one row a person, made into episodes by tmerge. The
# Stanford patients are taken twice, at two of four invented hospitals: four of those without a transplant were alive at
# the end, and the gate opens no cell of four.
suppressMessages({library(survival); library(jsonlite)})

heart <- with(survival::jasa, data.frame(
  hospital = seq_along(futime) %% 4, days = futime + 1, died = fustat, waited = wait.time + 1,
  age = age - 48, year = as.numeric(accept.dt - as.Date("1967-10-01")) / 365.25))
heart <- rbind(heart, within(heart, hospital <- (hospital + 1) %% 4))
write.csv(heart, "tests/golden/data/transplants.csv", row.names = FALSE, quote = FALSE)

heart$id <- seq_len(nrow(heart))
made <- tmerge(heart, heart, id = id, died = event(days, died), transplant = tdc(waited))
made <- subset(made, tstop > tstart)
# An invented late entry, for left truncation.
relapses <- with(read.csv("tests/golden/data/rotterdam.csv"), data.frame(hospital, days, died,
  relapsing = ifelse(relapsed == 1, until, NA), came = (seq_along(days) * 37) %% 1501, age, nodes, hormon))
relapses$came <- with(relapses, ifelse(came < days, came, 0))
write.csv(relapses, "tests/golden/data/relapse.csv", row.names = FALSE, quote = FALSE)
relapses$id <- seq_len(nrow(relapses))
ill <- tmerge(relapses, relapses, id = id, died = event(days, died), relapse = tdc(relapsing))
late <- subset(within(ill, tstart <- pmax(tstart, came)), tstart < tstop)

tight <- coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 60)
cox <- function(right, data = made, ties = "efron", entry = FALSE) {
  formula <- as.formula(paste("Surv(tstart, tstop, died) ~", right, "+ strata(hospital)"))
  m <- coxph(formula, data, ties = ties, control = tight, x = TRUE)
  r <- coxph(formula, data, ties = ties, control = tight, cluster = id)
  list(formula = paste("died ~", right), ties = ties, entry = entry, people = length(unique(data$id)), events = m$nevent,
    episodes = m$n, coefficients = unname(coef(m)), errors = unname(sqrt(diag(vcov(m)))),
    robust = unname(sqrt(diag(vcov(r)))), log_likelihood = m$loglik, zph = unname(cox.zph(m, "identity")$table[, ]))
}
models <- list(
  efron = cox("age + year + transplant"),
  breslow = cox("age + year + transplant", ties = "breslow"),
  product = cox("age * transplant"),
  relapses = cox("age + nodes + relapse + hormon", ill),
  relapses_product = cox("nodes * relapse + hormon", ill, ties = "breslow"),
  relapses_truncated = cox("age + nodes + relapse", late, entry = TRUE))
# What immortal time would have made of it: transplanted or not as if it had been known at the start.
heart$ever <- as.integer(!is.na(heart$waited))
immortal <- coxph(Surv(days, died) ~ age + year + ever + strata(hospital), heart, control = tight)

out <- list(R = R.version.string, survival = as.character(packageVersion("survival")), cox = models,
  immortal = unname(coef(immortal)))
write_json(out, "tests/golden/episodes.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
