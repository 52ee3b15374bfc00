# AUC, DeLong variance and paired comparison by pROC, on the aneurysmal subarachnoid haemorrhage data it ships.
suppressMessages({library(pROC); library(jsonlite)})
data(aSAH)
y <- as.integer(aSAH$outcome == "Poor")
a <- roc(y, aSAH$s100b, quiet = TRUE, direction = "<")
b <- roc(y, aSAH$ndka, quiet = TRUE, direction = "<")
logit <- qlogis(as.numeric(auc(a))) + c(-1, 1) * qnorm(0.975) *
  sqrt(var(a, method = "delong")) / (as.numeric(auc(a)) * (1 - as.numeric(auc(a))))
out <- list(script = "tests/golden/r/delong.R", R = R.version.string, pROC = as.character(packageVersion("pROC")),
  y = y, s100b = aSAH$s100b, ndka = aSAH$ndka,
  auc = c(as.numeric(auc(a)), as.numeric(auc(b))),
  variance = c(var(a, method = "delong"), var(b, method = "delong")),
  covariance = cov(a, b, method = "delong"),
  z = unname(roc.test(a, b, method = "delong")$statistic), logit = plogis(logit))
write_json(out, "tests/golden/delong.json", digits = NA, auto_unbox = TRUE)
