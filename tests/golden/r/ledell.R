# Cross-validated AUC with its influence-curve variance, written out from LeDell et al. (2015), section 5, pair by pair.
suppressMessages(library(jsonlite))
d <- infert; n <- nrow(d); V <- 5
fold <- (seq_len(n) * 7) %% V
score <- numeric(n)
for (v in 0:(V - 1)) {
  m <- glm(case ~ age + parity + induced + spontaneous, binomial, d[fold != v, ])
  score[fold == v] <- round(predict(m, d[fold == v, ]), 1)
}
y <- d$case; p1 <- mean(y == 1); p0 <- mean(y == 0)
aucs <- numeric(V); spread <- numeric(V)
for (v in 0:(V - 1)) {
  s <- score[fold == v]; z <- y[fold == v]
  wins <- function(a, b) mean((b < a) + 0.5 * (b == a))
  auc <- mean(sapply(s[z == 1], wins, b = s[z == 0]))
  ic <- ifelse(z == 1, (sapply(s, function(a) wins(a, s[z == 0])) - auc) / p1,
                       (sapply(s, function(a) 1 - wins(a, s[z == 1])) - auc) / p0)
  aucs[v + 1] <- auc; spread[v + 1] <- mean(ic^2)
}
out <- list(script = "tests/golden/r/ledell.R", R = R.version.string, y = y, fold = fold, score = score,
  auc = mean(aucs), se = sqrt(mean(spread) / n), folds = aucs)
write_json(out, "tests/golden/ledell.json", digits = NA, auto_unbox = TRUE)
