# Logistic fits, spline basis and calibration statistics by R (glm, Hmisc, rms), on the infert and birthwt-like data in R.
suppressMessages({library(rms); library(jsonlite)})
tight <- glm.control(epsilon = 1e-15, maxit = 100)
d <- infert
X <- cbind(1, d$age, d$parity, d$induced, d$spontaneous)
train <- seq_len(nrow(d)) %% 2 == 0
m <- glm(case ~ age + parity + induced + spontaneous, binomial, d, subset = train, control = tight)
lp <- predict(m, d[!train, ]); y <- d$case[!train]; p <- plogis(lp)
knots <- c(-2.0, -1.2, -0.5, 0.6)
basis <- rcspline.eval(lp, knots, inclx = TRUE, norm = 2)
citl <- glm(y ~ 1, binomial, offset = lp, control = tight)
slope <- glm(y ~ lp, binomial, control = tight)
smooth <- glm(y ~ basis, binomial, control = tight)
grid <- c(-2.5, -1, 0, 1)
G <- cbind(1, rcspline.eval(grid, knots, inclx = TRUE, norm = 2))
eta <- as.vector(G %*% coef(smooth)); se <- sqrt(diag(G %*% vcov(smooth) %*% t(G)))
w <- 1 + seq_len(nrow(d)) %% 3
weighted <- suppressWarnings(glm(case ~ age + parity + induced + spontaneous, binomial, d, weights = w, control = tight))
v <- val.prob(p, y, pl = FALSE)
out <- list(script = "tests/golden/r/calibration.R", R = R.version.string, rms = as.character(packageVersion("rms")),
  X = X, case = d$case, train = train, coefficients = unname(coef(m)), covariance = unname(vcov(m)),
  likelihood = as.numeric(logLik(m)), weights = w, weighted = unname(coef(weighted)),
  lp = unname(lp), y = y, knots = knots, basis = unname(unclass(basis)[, ]),
  citl = c(unname(coef(citl)), sqrt(vcov(citl)[1, 1])), slope = c(unname(coef(slope)[2]), sqrt(vcov(slope)[2, 2])),
  smooth = unname(coef(smooth)), grid = grid, observed = plogis(eta), lower = plogis(eta - qnorm(0.975) * se),
  upper = plogis(eta + qnorm(0.975) * se), brier = unname(v["Brier"]), val_slope = unname(v["Slope"]),
  val_c = unname(v["C (ROC)"]))
write_json(out, "tests/golden/calibration.json", digits = NA, matrix = "rowmajor", auto_unbox = TRUE)
