# Cox models of people who count unlike much, stratified by hospital, by R's survival, on its rotterdam data: robust errors
# over people. An invented late entry, relapses during follow-up (relapse.csv) and the age as a weight.
suppressMessages({library(survival); library(jsonlite)})
rotterdam <- within(read.csv("tests/golden/data/rotterdam.csv"), tumour <- factor(tumour, c("small", "middling", "large")))
relapse <- read.csv("tests/golden/data/relapse.csv")
relapse$id <- rotterdam$id <- seq_len(nrow(relapse))
ill <- tmerge(relapse, relapse, id = id, died = event(days, died), relapse = tdc(relapsing))

tight <- coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 60)
one <- function(formula, gagyo, data, ties = "efron", more = list()) {
  from <- c(rotterdam = "rotterdam", relapse = "relapse", ill = "relapse")[[deparse(substitute(data))]]
  m <- eval(bquote(coxph(.(formula), data, weights = age, cluster = id, ties = ties, control = tight)))
  list(data = from, formula = gagyo, ties = ties, more = more, people = length(unique(data$id)), coefficients = unname(coef(m)),
    errors = unname(sqrt(diag(vcov(m)))), wald = unname(m$wald.test))
}
cases <- list(
  efron = one(Surv(days, died) ~ nodes + hormon + strata(hospital), "died ~ nodes + hormon", rotterdam),
  breslow = one(Surv(days, died) ~ nodes + hormon + strata(hospital), "died ~ nodes + hormon", rotterdam, "breslow"),
  factor = one(Surv(months, died) ~ hormon + tumour + strata(hospital), "died ~ hormon + C(tumour)", rotterdam, more = list(time = "months")),
  product = one(Surv(days, died) ~ nodes * hormon + strata(hospital), "died ~ nodes * hormon", rotterdam),
  strata = one(Surv(days, died) ~ nodes + hormon + strata(hospital, tumour), "died ~ nodes + hormon", rotterdam, more = list(strata = "tumour")),
  entry = one(Surv(came, days, died) ~ nodes + hormon + strata(hospital), "died ~ nodes + hormon", relapse, more = list(entry = "came")),
  changes = one(Surv(tstart, tstop, died) ~ nodes + relapse + strata(hospital), "died ~ nodes + ill", ill, "breslow", list(changes = "relapsing")))
out <- list(script = "tests/golden/r/cox_weights.R", R = R.version.string, survival = as.character(packageVersion("survival")),
  cases = cases)
write_json(out, "tests/golden/cox_weights.json", digits = NA, auto_unbox = TRUE)
