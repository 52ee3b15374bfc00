# Cox models with one baseline hazard for all hospitals, by R's survival: times of exit rounded up to a grid, times of
# entry as they are. The breast cancers of Rotterdam (survival's rotterdam; an invented late entry), and the people with a
# monoclonal protein of survival's mgus2 (Kyle et al. 2002) at the age that they had: observed from that of their
# diagnosis. Those of Rotterdam who relapse change at that time.
suppressMessages({library(survival); library(jsonlite)})

mgus <- within(survival::mgus2, {came <- age; until <- age + futime / 12; died <- death; female <- as.integer(sex == "F")})
mgus <- mgus[complete.cases(mgus[, c("hgb", "mspike")]) & mgus$futime > 0, ]
mgus$hospital <- (seq_len(nrow(mgus)) - 1) %% 4
mgus <- mgus[, c("hospital", "until", "came", "died", "female", "hgb", "mspike")]
write.csv(mgus, "tests/golden/data/mgus_ages.csv", row.names = FALSE, quote = FALSE)
mgus_ages <- read.csv("tests/golden/data/mgus_ages.csv")
rotterdam <- within(read.csv("tests/golden/data/rotterdam.csv"), tumour <- factor(tumour, c("small", "middling", "large")))
relapse <- read.csv("tests/golden/data/relapse.csv")

tight <- coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 60, timefix = FALSE)
# Until the end of the interval of their own change, where that is before their exit, people are as if it never came: two
# rows of them.
divided <- function(data, change, at, cuts) {
  rounded <- c(0, cuts, Inf)[findInterval(data[[at]], c(0, cuts), left.open = TRUE) + 1]
  when <- ifelse(!is.na(data[[at]]) & rounded < data$time_of_exit, rounded, Inf)
  before <- within(data, {begin <- -1; died <- ifelse(is.finite(when), 0, died); end <- pmin(end, when)})
  after <- within(data, begin <- when)[is.finite(when), ]
  before[[change]] <- 0
  after[[change]] <- 1
  rbind(before, after)
}
one <- function(right, data, time, cuts, entry = "", strata = "", ties = "efron", change = "", at = "") {
  from <- deparse(substitute(data))
  data$end <- c(cuts, 1e4)[findInterval(data[[time]], cuts, left.open = TRUE) + 1]
  data$begin <- if (entry == "") -1 else data[[entry]]
  data$row <- seq_len(nrow(data))
  people <- nrow(data)
  if (change != "") data <- divided(within(data, time_of_exit <- get(time)), change, at, cuts)
  terms <- paste(right, if (strata != "") paste("+ strata(", strata, ")"))
  m <- coxph(as.formula(paste("Surv(begin, end, died) ~", terms)), data, ties = ties, control = tight)
  r <- coxph(as.formula(paste("Surv(begin, end, died) ~", terms)), data, ties = ties, control = tight, robust = TRUE, cluster = row)
  h <- subset(suppressWarnings(basehaz(m, centered = FALSE)), time %in% c(cuts, 1e4))
  list(data = from, formula = paste("died ~", right), time = time, cuts = cuts, entry = entry, strata = strata, ties = ties,
    change = change, changes_at = at, people = people, events = m$nevent, coefficients = unname(coef(m)), errors = unname(sqrt(diag(vcov(m)))),
    robust = unname(sqrt(diag(vcov(r)))), log_likelihood = m$loglik, at = h$time, hazard = h$hazard,
    level = if (strata == "") NULL else sub(".*=", "", as.character(h$strata)))
}
days <- c(1000, 1500, 2000, 2500, 3000, 3500, 4500)
few <- c(2000, 2500, 3000)
ages <- c(65, 70, 75, 80, 85, 90)
cases <- list(
  efron = one("age + nodes + hormon", rotterdam, "days", few),
  breslow = one("age + nodes + hormon", rotterdam, "days", few, ties = "breslow"),
  strata = one("age + nodes", rotterdam, "days", days[2:6], strata = "tumour"),
  strata_breslow = one("age * nodes", rotterdam, "days", days[2:6], strata = "tumour", ties = "breslow"),
  entry = one("age + nodes + hormon", relapse, "days", few, entry = "came"),
  entry_breslow = one("age + nodes", relapse, "days", days, entry = "came", ties = "breslow"),
  ages = one("female + hgb + mspike", mgus_ages, "until", ages, entry = "came"),
  ages_breslow = one("female + hgb + mspike", mgus_ages, "until", ages, entry = "came", ties = "breslow"),
  change = one("age + nodes + relapse", relapse, "days", few, change = "relapse", at = "relapsing"),
  change_breslow = one("nodes * relapse", relapse, "days", few, ties = "breslow", change = "relapse", at = "relapsing"),
  ages_strata = one("hgb + mspike", mgus_ages, "until", ages, entry = "came", strata = "female"))
out <- list(script = "tests/golden/r/cox_common.R", R = R.version.string, survival = as.character(packageVersion("survival")),
  cases = cases)
write_json(out, "tests/golden/cox_common.json", digits = NA, auto_unbox = TRUE, na = "null")
