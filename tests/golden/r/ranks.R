# Rank tests by R's own functions, on whole numbers made of data that MASS ships, and van Elteren's from R's ranks.
suppressMessages(library(jsonlite))
pima <- within(read.csv("tests/golden/data/pima.csv"), {
  decade <- pmin(age %/% 10, 5); sugar <- pmin(pmax(glu %/% 20, 4), 8); sweet <- pmin(sugar, 6); mass <- pmin(pmax(bmi %/% 5, 5), 7) })
names <- c("decade", "sugar", "mass")
told <- function(t) list(statistic = unname(t$statistic), p = t$p.value)
two <- function(correct) setNames(lapply(names, function(v)
  told(wilcox.test(pima[[v]][pima$diabetic == 1], pima[[v]][pima$diabetic == 0], exact = FALSE, correct = correct))), names)
many <- setNames(lapply(names[2:3], function(v) told(kruskal.test(pima[[v]], pima$ageband))), names[2:3])
rho <- setNames(lapply(c("decade", "sweet"), function(v) { t <- suppressWarnings(cor.test(pima[[v]], pima$mass, method = "spearman", exact = FALSE))
  list(rho = unname(t$estimate), p = t$p.value) }), c("decade", "sweet"))
# The hospitals of the test: people dealt out in turn.
place <- (seq_len(nrow(pima)) - 1) %% 4
elteren <- function(x) { parts <- sapply(0:3, function(h) { r <- rank(x[place == h]); g <- pima$diabetic[place == h]; n <- length(r)
    c(sum(r[g == 1]) - sum(g) * (n + 1) / 2, sum(g) * sum(1 - g) / (n * (n - 1)) * sum((r - (n + 1) / 2)^2)) / c(n + 1, (n + 1)^2) })
  chi <- sum(parts[1, ])^2 / sum(parts[2, ]); list(statistic = chi, p = pchisq(chi, 1, lower.tail = FALSE)) }
strata <- setNames(lapply(c("mass", "bmi"), function(v) elteren(pima[[v]])), c("mass", "bmi"))
out <- list(script = "tests/golden/r/ranks.R", R = R.version.string, corrected = two(TRUE), plain = two(FALSE), many = many, rho = rho, strata = strata)
write_json(out, "tests/golden/ranks.json", digits = NA, auto_unbox = TRUE)
