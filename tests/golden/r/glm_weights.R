# Weighted generalised linear models by R's glm with sandwich's errors, on data that survival and MASS ship. glm stops on
# the deviance; each fit is taken up where it stopped until it moves no more. It begins at means that large weights bring
# to 0 and 1, from where a complementary log-log runs away: weights are divided by their mean, which changes no result.
suppressMessages({library(sandwich); library(jsonlite)})
rotterdam <- within(read.csv("tests/golden/data/rotterdam.csv"), tumour <- factor(tumour, c("small", "middling", "large")))
pima <- read.csv("tests/golden/data/pima.csv")

one <- function(formula, family, data, gagyo, weights, offset = "", link = family$link, name = family$family) {
  from <- deparse(substitute(data)); data$w <- data[[weights]] / mean(data[[weights]])
  fit <- function(begin) suppressWarnings(eval(bquote(glm(.(formula), family, data, weights = w, start = .(begin),
                                                         control = glm.control(epsilon = 1e-15, maxit = 200)))))
  m <- fit(NULL)
  for (again in 1:20) m <- fit(coef(m))
  errors <- lapply(c(list(HC0 = sandwich(m)), if (offset == "") list(HC1 = sandwich(m, adjust = TRUE))), function(v) unname(sqrt(diag(v))))
  if (!is.null(data$hospital)) errors$CR1 <- unname(sqrt(diag(vcovCL(m, data$hospital, type = "HC0"))))
  kept <- seq_along(coef(m))[-1]
  chi <- drop(coef(m)[kept] %*% solve(sandwich(m)[kept, kept], coef(m)[kept]))
  list(data = from, formula = gagyo, weights = weights, offset = offset, family = tolower(name), link = link,
       people = nrow(data), coefficients = unname(coef(m)), errors = errors, wald = chi)
}
cases <- list(
  logit = one(relapsed ~ nodes + hormon + tumour, binomial(), rotterdam, "relapsed ~ nodes + hormon + C(tumour)", "age"),
  cloglog = one(died ~ grade3 + chemo, binomial("cloglog"), rotterdam, "died ~ grade3 + chemo", "age"),
  gaussian = one(months ~ nodes * hormon + chemo, gaussian(), rotterdam, "months ~ nodes * hormon + chemo", "age"),
  poisson = one(nodes ~ chemo + grade3, poisson(), rotterdam, "nodes ~ chemo + grade3", "age"),
  gamma = one(bmi ~ skin + diabetic, Gamma("log"), pima, "bmi ~ skin + diabetic", "age"),
  logit_offset = one(diabetic ~ glu + bmi + offset(ped), binomial(), pima, "diabetic ~ glu + bmi", "age", "ped"),
  gaussian_offset = one(glu ~ bmi + diabetic + offset(bp), gaussian(), pima, "glu ~ bmi + diabetic", "age", "bp"))
out <- list(script = "tests/golden/r/glm_weights.R", R = R.version.string,
            sandwich = as.character(packageVersion("sandwich")), cases = cases)
write_json(out, "tests/golden/glm_weights.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", na = "null")
