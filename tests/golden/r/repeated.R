# Repeated measurements by nlme and lme4 on 312 patients of the Mayo Clinic's trial in primary biliary cholangitis
# (survival::pbcseq, Murtaugh et al. 1994): the logarithm of bilirubin at entry and near 6, 12 and 24 months, where it was measured.
# Hospitals are eighths of the patients by albumin at entry, so that they differ.
# Their searches stop some figures early. From where they stop, Fisher's scoring on the exact score of the (restricted)
# likelihood goes on to the last figures, by V of each person or hospital; at the end nlme or lme4 has to agree with the
# log-likelihood to 1e-6 and with the coefficients to 1e-3. Satterthwaite's degrees of freedom differentiate the exact
# score (for the Hessian) and the variance of each coefficient by numDeriv.
suppressMessages({library(survival); library(nlme); library(lme4); library(lmerTest); library(numDeriv); library(jsonlite)})
months <- c(0, 6, 12, 24); width <- c(30, 90, 120, 200)
first <- pbcseq[!duplicated(pbcseq$id), ]
near <- function(one, month, reach) {
  d <- pbcseq[pbcseq$id == one, ]; away <- abs(d$day - month * 30.4375)
  at <- which.min(away); if (away[at] <= reach) round(log(d$bili[at]), 4) else NA
}
wide <- data.frame(hospital = (rank(first$albumin, ties.method = "first") - 1) %/% 39, age = round(first$age, 2), treated = as.integer(first$trt == 1),
  female = as.integer(first$sex == "f"))
for (j in seq_along(months)) wide[[paste0("bilirubin_", months[j])]] <- sapply(first$id, near, months[j], width[j])
write.csv(wide, "tests/golden/data/cholangitis.csv", row.names = FALSE, quote = FALSE)

long <- do.call(rbind, lapply(seq_along(months), function(j) data.frame(id = seq_len(nrow(wide)), wide[1:4], at = j,
  time = months[j], bilirubin = wide[[paste0("bilirubin_", months[j])]])))
long <- long[!is.na(long$bilirubin), ]; long <- long[order(long$id, long$at), ]
long$visit <- factor(long$time); long$eight <- factor(long$hospital); long$four <- factor(long$hospital %% 4)
long$id <- factor(long$id)

# V of the visits (T, T) as a function of its parameters, and its derivatives.
unit <- function(i, j, T = 4) { m <- matrix(0, T, T); m[i, j] <- m[j, i] <- 1; m }
linear <- function(parts) list(V = function(p) Reduce(`+`, Map(`*`, p, parts)), dV = function(p) parts)
lowers <- which(lower.tri(diag(4), TRUE), arr.ind = TRUE)
structures <- list(
  unstructured = linear(lapply(seq_len(nrow(lowers)), function(k) unit(lowers[k, 1], lowers[k, 2]))),
  intercept = linear(list(matrix(1, 4, 4), diag(4))),
  slope = linear(list(matrix(1, 4, 4), outer(months, months, `+`), outer(months, months), diag(4))),
  ar1 = local({ d <- abs(outer(months, months, `-`))
    list(V = function(p) p[1] * p[2]^d, dV = function(p) list(p[2]^d, p[1] * d * p[2]^pmax(d - 1, 0) * (d > 0))) }))

# The exact score, Fisher's information and what else is needed, block by block.
parts <- function(p, s, X, y, at, who, block, between, REML, informed = TRUE) {
  m <- length(p); inner <- if (between) p[-m] else p
  V <- s$V(inner); dV <- s$dV(inner)
  A <- 0; b <- 0; B <- rep(list(0), m); logdet <- 0; trace <- numeric(m); keep <- list()
  for (g in split(seq_along(y), block)) {
    same <- outer(who[g], who[g], `==`)
    here <- V[at[g], at[g], drop = FALSE] * same; more <- lapply(dV, function(d) d[at[g], at[g], drop = FALSE] * same)
    if (between) { here <- here + p[m]; more[[m]] <- matrix(1, length(g), length(g)) }
    R <- chol(here); W <- chol2inv(R); Xg <- X[g, , drop = FALSE]; WX <- W %*% Xg; logdet <- logdet + 2 * sum(log(diag(R)))
    A <- A + crossprod(Xg, WX); b <- b + crossprod(WX, y[g])
    for (j in seq_len(m)) { B[[j]] <- B[[j]] + crossprod(WX, more[[j]] %*% WX); trace[j] <- trace[j] + sum(W * more[[j]]) }
    keep[[length(keep) + 1]] <- list(g = g, W = W, WX = WX, more = more)
  }
  inverse <- solve(A); beta <- drop(inverse %*% b); r <- drop(y - X %*% beta)
  score <- numeric(m); info <- matrix(0, m, m); rest <- 0
  for (k in keep) {
    u <- k$W %*% r[k$g]; rest <- rest + sum(u * r[k$g]); left <- if (informed) lapply(k$more, function(d) k$W %*% d)
    for (i in seq_len(m)) { score[i] <- score[i] + sum(u * (k$more[[i]] %*% u))
      if (informed) for (j in seq_len(m)) { info[i, j] <- info[i, j] + sum(left[[i]] * t(left[[j]]))
        if (REML) info[i, j] <- info[i, j] - 2 * sum(inverse * (t(k$WX) %*% k$more[[i]] %*% left[[j]] %*% k$WX)) } }
  }
  score <- score - trace
  if (REML) { score <- score + sapply(B, function(one) sum(inverse * one))
    for (i in seq_len(m)) for (j in seq_len(m)) info[i, j] <- info[i, j] + sum((inverse %*% B[[i]]) * t(inverse %*% B[[j]])) }
  n <- length(y) - if (REML) ncol(X) else 0
  deviance <- n * log(2 * pi) + logdet + rest + if (REML) as.numeric(determinant(A)$modulus) else 0
  list(score = score / 2, info = info / 2, beta = beta, inverse = inverse, deviance = deviance)
}
fitted_by <- function(start, s, X, y, at, who, block, between, REML) {
  of <- function(p, informed = TRUE) parts(p, s, X, y, at, who, block, between, REML, informed)
  p <- start
  for (i in 1:60) { one <- of(p); step <- solve(one$info, one$score); p <- p + step; if (max(abs(step / p)) < 1e-13) break }
  stopifnot(max(abs(step / p)) < 1e-11)
  one <- of(p); m <- length(p)
  moved <- jacobian(function(q) { near <- of(q, FALSE); c(near$score, diag(near$inverse)) }, p)
  V <- solve(-moved[1:m, ]); V <- (V + t(V)) / 2; slopes <- moved[-(1:m), ]
  df <- 2 * diag(one$inverse)^2 / rowSums((slopes %*% V) * slopes)
  list(p = p, beta = one$beta, errors = sqrt(diag(one$inverse)), df = df, log_likelihood = -one$deviance / 2,
    vcov = one$inverse)
}
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e5), calc.derivs = FALSE)
one <- function(covariance, hospital, formula, REML, gagyo = deparse(formula, 500)) {
  text <- gagyo
  if (hospital == "fixed") formula <- update(formula, . ~ . + four)
  method <- if (REML) "REML" else "ML"
  if (covariance %in% c("unstructured", "ar1") && hospital != "random") {
    given <- if (covariance == "ar1") corCAR1(form = ~ time | id) else corSymm(form = ~ at | id)
    weights <- if (covariance == "ar1") NULL else varIdent(form = ~ 1 | visit)
    m <- gls(formula, long, correlation = given, weights = weights, method = method,
      control = glsControl(tolerance = 1e-12, msTol = 1e-14, msMaxIter = 500, maxIter = 500, opt = "optim"))
    V <- if (covariance == "ar1") NULL else { whole <- names(which(table(long$id) == 4))[1]; unclass(getVarCov(m, individual = whole)) }
    start <- if (covariance == "ar1") c(sigma(m)^2, coef(m$modelStruct$corStruct, unconstrained = FALSE)) else V[lower.tri(V, TRUE)]
    their <- c(as.numeric(logLik(m))); theirs <- coef(m)
  } else if (covariance == "unstructured") {
    # No package comes to the optimum of this one: from the fit without hospitals, the dense equations go there alone.
    m <- gls(formula, long, correlation = corSymm(form = ~ at | id), weights = varIdent(form = ~ 1 | visit), method = method)
    V <- unclass(getVarCov(m, individual = names(which(table(long$id) == 4))[1]))
    start <- c(V[lower.tri(V, TRUE)], 0.005); their <- NA; theirs <- coef(m)
  } else {
    random <- if (covariance == "slope") "(time | id)" else "(1 | id)"
    if (hospital == "random") random <- paste(random, "+ (1 | eight)")
    m <- eval(bquote(lmer(.(update(formula, as.formula(paste(". ~ . +", random)))), long, REML = .(REML), control = tight)))
    v <- VarCorr(m)$id; start <- c(v[lower.tri(v, TRUE)], sigma(m)^2)
    if (hospital == "random") start <- c(start, as.numeric(VarCorr(m)$eight))
    their <- as.numeric(logLik(m)); theirs <- fixef(m)
  }
  X <- model.matrix(formula, long); block <- if (hospital == "random") long$eight else long$id
  f <- fitted_by(start, structures[[covariance]], X, long$bilirubin, long$at, long$id, block, hospital == "random", REML)
  cat(covariance, hospital, method, "logLik", f$log_likelihood, "off", f$log_likelihood - their, "coef",
    max(abs(f$beta / theirs - 1)), "\n")
  cat(f$p, "\n")
  stopifnot(is.na(their) || abs(f$log_likelihood - their) < 1e-6, is.na(their) || max(abs(f$beta / theirs - 1)) < 1e-3)
  sd <- coef(summary(m)); lmer_df <- if ("df" %in% colnames(sd)) unname(sd[, "df"]) else NULL
  list(covariance = covariance, hospital = hospital, estimation = method, formula = text, measurements = nrow(long),
    terms = colnames(X), coefficients = unname(f$beta), errors = unname(f$errors), df = unname(f$df), lmer_df = lmer_df,
    parameters = unname(f$p), log_likelihood = f$log_likelihood, off = f$log_likelihood - their)
}
trained <- bilirubin ~ age + female + treated * visit
straight <- bilirubin ~ age + treated * time
cases <- list(
  intercept_none_reml = one("intercept", "none", straight, TRUE),
  intercept_fixed_ml = one("intercept", "fixed", straight, FALSE),
  intercept_random_reml = one("intercept", "random", straight, TRUE),
  slope_none_reml = one("slope", "none", straight, TRUE),
  slope_none_ml = one("slope", "none", straight, FALSE),
  slope_fixed_reml = one("slope", "fixed", straight, TRUE),
  slope_random_reml = one("slope", "random", straight, TRUE),
  ar1_none_reml = one("ar1", "none", straight, TRUE),
  ar1_fixed_ml = one("ar1", "fixed", straight, FALSE),
  unstructured_none_reml = one("unstructured", "none", trained, TRUE),
  unstructured_none_ml = one("unstructured", "none", trained, FALSE),
  unstructured_fixed_reml = one("unstructured", "fixed", trained, TRUE),
  unstructured_random_reml = one("unstructured", "random", trained, TRUE))
out <- list(script = "tests/golden/r/repeated.R", R = R.version.string, nlme = as.character(packageVersion("nlme")),
  lme4 = as.character(packageVersion("lme4")), lmerTest = as.character(packageVersion("lmerTest")), cases = cases)
write_json(out, "tests/golden/repeated.json", digits = NA, auto_unbox = TRUE, na = "null")
