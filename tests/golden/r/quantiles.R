# Quantiles of type 7, the order statistics about a median, and histograms by R, on data that MASS ships.
suppressMessages(library(jsonlite))
pima <- read.csv("tests/golden/data/pima.csv")
shares <- c(0.1, 0.25, 0.5, 0.75, 0.9)
one <- function(x) { n <- length(x); s <- sort(x)
  list(people = n, quantiles = as.numeric(quantile(x, shares, type = 7)),
       interval = s[c(qbinom(0.025, n, 0.5), qbinom(0.975, n, 0.5) + 1)]) }
told <- function(name) list(all = one(pima[[name]]), no = one(pima[[name]][pima$diabetic == 0]), yes = one(pima[[name]][pima$diabetic == 1]))
names <- c("age", "glu", "bmi", "npreg", "ped")
out <- list(script = "tests/golden/r/quantiles.R", R = R.version.string, shares = shares,
  variables = setNames(lapply(names, told), names),
  histogram = hist(pima$glu, breaks = c(0, 100, 126, 256), right = FALSE, plot = FALSE)$counts)
write_json(out, "tests/golden/quantiles.json", digits = NA, auto_unbox = TRUE)
