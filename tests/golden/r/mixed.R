# Linear mixed models by lme4 and lmerTest, on 2,287 Dutch pupils in 133 classes (MASS, Snijders and Bosker).
# lme4 stops its search some figures early: the optimum is polished by Newton's steps on the deviance that lme4 gives,
# as a function of theta, with Richardson's derivatives; everything else is lme4's own at that theta. On the edge of a
# singular fit there is nothing to polish.
suppressMessages({library(MASS); library(lme4); library(lmerTest); library(numDeriv); library(jsonlite)})
pupils <- with(nlschools, data.frame(class, lang, ses = SES, verbal = IQ - 12, comb = as.integer(COMB == "1")))
sizes <- table(pupils$class)
wide <- droplevels(pupils[pupils$class %in% names(sizes)[sizes >= 20], ])
wide$class <- match(wide$class, levels(wide$class))
wide$hospital <- (wide$class - 1) %% 4
big <- names(sort(sizes, decreasing = TRUE))[1:8]
few <- pupils[pupils$class %in% big, ]
few$class <- match(few$class, sort(big)); few$hospital <- few$class - 1
columns <- function(d) d[c("hospital", "class", "lang", "verbal", "ses", "comb")]
write.csv(columns(wide), "tests/golden/data/pupils.csv", row.names = FALSE, quote = FALSE)
write.csv(columns(few), "tests/golden/data/classes.csv", row.names = FALSE, quote = FALSE)

tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e5), calc.derivs = FALSE)
polished <- function(m) {
  f <- update(m, devFunOnly = TRUE); theta <- getME(m, "theta")
  for (i in 1:4) theta <- theta - solve(hessian(f, theta), grad(f, theta))
  f(theta); theta
}
one <- function(formula, data, gagyo, slopes = character(), cluster = "", REML = TRUE, name, edge = FALSE) {
  m <- eval(bquote(lmer(.(formula), data, REML = .(REML), control = tight)))
  theta <- if (edge) getME(m, "theta") else polished(m)
  again <- eval(bquote(lmer(.(formula), data, REML = .(REML), start = theta,
    control = lmerControl(optimizer = NULL, calc.derivs = FALSE))))
  stopifnot(max(abs(getME(again, "theta") - theta)) < 1e-14)
  s <- coef(summary(again)); v <- as.matrix(VarCorr(again)[[1]])
  modes <- as.matrix(ranef(again, condVar = FALSE)[[1]])
  list(data = name, formula = gagyo, slopes = as.list(slopes), cluster = cluster,
    estimation = if (REML) "REML" else "ML", people = nobs(again), terms = rownames(s), coefficients = unname(s[, 1]),
    errors = unname(s[, 2]), df = unname(s[, 3]), sigma2 = sigma(again)^2, variances = v[lower.tri(v, TRUE)],
    singular = isSingular(again), log_likelihood = as.numeric(logLik(again)), modes = if (cluster == "") unname(modes) else list())
}
wide$ward <- interaction(wide$class, wide$hospital, drop = TRUE); wide$hospital <- factor(wide$hospital)
cases <- list()
for (REML in c(TRUE, FALSE)) {
  tag <- if (REML) "reml" else "ml"
  cases[[paste0("intercepts_", tag)]] <- one(lang ~ verbal + ses + (1 | hospital), few, "lang ~ verbal + ses", REML = REML, name = "classes")
  cases[[paste0("slopes_", tag)]] <- one(lang ~ verbal + ses + (1 + verbal | hospital), few, "lang ~ verbal + ses", "verbal", REML = REML, name = "classes")
  cases[[paste0("edge_", tag)]] <- one(lang ~ verbal + ses + (1 + ses | hospital), few, "lang ~ verbal + ses", "ses", REML = REML, name = "classes", edge = TRUE)
  cases[[paste0("wards_", tag)]] <- one(lang ~ verbal + ses + comb + hospital + (1 | ward), wide, "lang ~ verbal + ses + comb",
    cluster = "class", REML = REML, name = "pupils")
}
out <- list(script = "tests/golden/r/mixed.R", R = R.version.string, lme4 = as.character(packageVersion("lme4")),
  lmerTest = as.character(packageVersion("lmerTest")), cases = cases)
write_json(out, "tests/golden/mixed.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", na = "null")
for (k in names(cases)) { cat(k, ""); cat(cases[[k]]$coefficients, "|", cases[[k]]$df, "|", cases[[k]]$variances, cases[[k]]$sigma2, "\n") }
