# Agreement on 223 people of survival's lung data: physician's and patient's Karnofsky score, and ECOG score; and published tables.
suppressMessages({library(survival); library(psych); library(jsonlite)})
d <- lung[complete.cases(lung[, c("ph.karno", "pat.karno", "ph.ecog")]), ]
write.csv(data.frame(physician = d$ph.karno, patient = d$pat.karno, ecog = d$ph.ecog), "tests/golden/data/karnofsky.csv", row.names = FALSE, quote = FALSE)
three <- function(x) as.integer(cut(x, c(0, 70, 80, 100)))
# The variance of any function of multinomial parts, its derivative by a complex step, exact to rounding.
delta <- function(f, p, n) { g <- sapply(seq_along(p), function(i) { q <- as.complex(p); q[i] <- q[i] + 1e-20i; Im(f(q)) / 1e-20 })
  sqrt((sum(p * g^2) - sum(p * g)^2) / n) }
w <- function(k, kind) { a <- abs(outer(1:k, 1:k, "-")) / (k - 1); switch(kind, none = diag(k), linear = 1 - a, quadratic = 1 - a^2) }
kappa <- function(W) function(p) { k <- nrow(W); P <- matrix(p, k); pe <- sum(W * outer(rowSums(P), colSums(P))); (sum(W * P) / sum(p) - pe / sum(p)^2) / (1 - pe / sum(p)^2) }
ac1 <- function(k) function(p) { P <- matrix(p, k) / sum(p); s <- (rowSums(P) + colSums(P)) / 2; pe <- sum(s * (1 - s)) / (k - 1); (sum(diag(P)) - pe) / (1 - pe) }
pabak <- function(k) function(p) { P <- matrix(p, k) / sum(p); (k * sum(diag(P)) - 1) / (k - 1) }
pair <- function(T) { k <- nrow(T); n <- sum(T); p <- as.numeric(T) / n; one <- function(f) c(f(p), delta(f, p, n))
  by <- lapply(list(none = "none", linear = "linear", quadratic = "quadratic"), function(kind) one(kappa(w(k, kind))))
  fit <- suppressWarnings(suppressMessages(cohen.kappa(unclass(T))))
  list(table = unclass(T), kappa = by, psych = c(fit$kappa, fit$weighted.kappa), ac1 = one(ac1(k)), pabak = one(pabak(k))) }
several <- function(N) { m <- sum(N[1, ]); n <- nrow(N); u <- unique(N); at <- match(apply(N, 1, paste, collapse = " "), apply(u, 1, paste, collapse = " "))
  p <- tabulate(at, nrow(u)) / n
  f <- function(p) { p <- p / sum(p); s <- as.vector(p %*% u) / m; po <- sum(p * rowSums(u * (u - 1))) / (m * (m - 1)); (po - sum(s^2)) / (1 - sum(s^2)) }
  s <- colSums(N) / (n * m); q <- 1 - s; null <- 2 * (sum(s * q)^2 - sum(s * q * (q - s))) / (n * m * (m - 1) * sum(s * q)^2)
  list(counts = N, kappa = c(f(p), delta(f, p, n)), z = f(p) / sqrt(null), level = 1 - colSums(N * (m - N)) / (n * m * (m - 1) * s * q)) }
counts <- function(X, k) t(apply(X, 1, tabulate, k))
icc <- function(X) { r <- ICC(X, lmer = FALSE, missing = FALSE)$results; list(value = r$ICC, lower = r[["lower bound"]], upper = r[["upper bound"]], p = r$p) }
sf <- matrix(c(9,2,5,8, 6,1,3,2, 8,4,6,8, 7,1,2,6, 10,5,6,9, 6,2,4,7), ncol = 4, byrow = TRUE)
# Fleiss 1971: 30 patients, six psychiatrists, five diagnoses.
psychiatrists <- matrix(c(0,0,0,6,0, 0,3,0,0,3, 0,1,4,0,1, 0,0,0,0,6, 0,3,0,3,0, 2,0,4,0,0, 0,0,4,0,2, 2,0,3,1,0, 2,0,0,4,0, 0,0,0,0,6,
  1,0,0,5,0, 1,1,0,4,0, 0,3,3,0,0, 1,0,0,5,0, 0,2,0,3,1, 0,0,5,0,1, 3,0,0,1,2, 5,1,0,0,0, 0,2,0,4,0, 1,0,2,0,3,
  0,0,0,0,6, 0,1,0,5,0, 0,2,0,1,3, 2,0,0,4,0, 1,0,0,4,1, 0,5,0,1,0, 4,0,0,0,2, 0,2,0,4,0, 1,0,5,0,0, 0,0,0,0,6), ncol = 5, byrow = TRUE)
x <- d$ph.karno; y <- d$pat.karno; D <- x - y; M <- (x + y) / 2; n <- length(D); fit <- summary(lm(D ~ M))$coefficients[2, ]
ba <- list(bias = mean(D), interval = as.numeric(t.test(x, y, paired = TRUE)$conf.int), sd = sd(D), limits = mean(D) + c(-1, 1) * qnorm(.975) * sd(D),
  limit_reach = qt(.975, n - 1) * sd(D) * sqrt(1 / n + qnorm(.975)^2 / (2 * (n - 1))), slope = as.numeric(fit), slope_interval = as.numeric(confint(lm(D ~ M))[2, ]))
binary <- cbind(x >= 90, y >= 90, d$ph.ecog == 0) + 1
out <- list(script = "tests/golden/r/agreement.R", R = R.version.string, psych = as.character(packageVersion("psych")),
  levels = pair(table(three(x), three(y))), two = pair(table(x >= 90, y >= 90)), several = several(counts(binary, 2)), fleiss = several(psychiatrists),
  shrout = c(list(ratings = sf), icc(sf)), karnofsky = icc(cbind(x, y)), limits = ba)
write_json(out, "tests/golden/agreement.json", digits = NA, auto_unbox = TRUE)
