# Comparisons of groups by R's own tests, on data that MASS ships.
suppressMessages(library(jsonlite))
births <- within(read.csv("tests/golden/data/births.csv"), race <- factor(race, c("white", "black", "other")))
pima <- within(read.csv("tests/golden/data/pima.csv"), ageband <- factor(ageband, c("young", "middle", "old")))
told <- function(t) list(statistic = unname(t$statistic), freedom = unname(t$parameter), p = t$p.value)
chi <- function(x, g, correct = TRUE) told(suppressWarnings(chisq.test(table(x, g), correct = correct)))
means <- function(x, g, equal) { t <- t.test(x[g == 1], x[g == 0], var.equal = equal)
  c(told(t), list(difference = unname(t$estimate[1] - t$estimate[2]), error = t$stderr, interval = as.numeric(t$conf.int))) }
two <- lapply(list(corrected = TRUE, plain = FALSE), function(correct) list(
  ageband = chi(pima$ageband, pima$diabetic, correct), smoke = chi(births$smoke, births$low, correct)))
welch <- list(glu = means(pima$glu, pima$diabetic, FALSE), bmi = means(pima$bmi, pima$diabetic, FALSE))
student <- list(glu = means(pima$glu, pima$diabetic, TRUE), bmi = means(pima$bmi, pima$diabetic, TRUE))
many <- lapply(list(welch = FALSE, equal = TRUE), function(equal) list(
  glu = told(oneway.test(glu ~ ageband, pima, var.equal = equal)), bmi = told(oneway.test(bmi ~ ageband, pima, var.equal = equal))))
events <- tapply(pima$diabetic, pima$ageband, sum); people <- table(pima$ageband)
trend <- told(prop.trend.test(as.numeric(events), as.numeric(people)))
risk <- with(births, { t <- table(smoke, low); p <- prop.test(t[2:1, 2], rowSums(t)[2:1], correct = FALSE)
  list(difference = unname(p$estimate[1] - p$estimate[2]), interval = as.numeric(p$conf.int)) })
# The hospital of each of the births in the tests: dealt out in turn within race, outcome and smoking.
turn <- integer(nrow(births)); turn[order(as.integer(births$race), births$low, births$smoke)] <- (seq_len(nrow(births)) - 1) %% 4
strata <- lapply(list(corrected = TRUE, plain = FALSE), function(correct) {
  m <- mantelhaen.test(table(births$smoke, births$low, turn), correct = correct)
  c(told(m), list(odds = unname(m$estimate), interval = as.numeric(m$conf.int))) })
exact <- with(births, fisher.test(table(smoke, low)))
pairs <- lapply(list(corrected = TRUE, plain = FALSE), function(correct) told(mcnemar.test(table(births$low, births$smoke), correct = correct)))
tables <- table(births$smoke, births$low, turn)
alike <- metafor::rma.mh(measure = "OR", ai = tables[2, 2, ], bi = tables[2, 1, ], ci = tables[1, 2, ], di = tables[1, 1, ])
p <- c(0.01, 0.02, 0.04, 0.005, 0.9, 0.03, 0.03)
adjust <- lapply(list(holm = "holm", hochberg = "hochberg", benjamini_hochberg = "BH"), function(m) p.adjust(p, m))
out <- list(script = "tests/golden/r/compare.R", R = R.version.string, chi = two, welch = welch, student = student,
  many = many, trend = trend, risk = risk, strata = strata, exact = list(p = exact$p.value, odds = unname(exact$estimate), interval = as.numeric(exact$conf.int)),
  pairs = pairs, alike = list(statistic = alike$TA, p = alike$TAp), p = p, adjust = adjust)
write_json(out, "tests/golden/compare.json", digits = NA, auto_unbox = TRUE)
