"""An autoencoder in scikit-learn: a pipeline, a grid search, outliers; here on a table of wines."""

from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline

import isthmus

X, y = load_wine(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)

codes = isthmus.AutoEncoder(hidden=(32, 16), random_state=0)  # it standardizes the columns itself
search = GridSearchCV(
    make_pipeline(codes, LogisticRegression(max_iter=1000)),
    {"autoencoder__z_size": [1, 2, 4], "autoencoder__noise": [None, "gaussian:0.3"]},
    cv=3,
)
search.fit(X_train, y_train)
print(f"best: {search.best_params_}, accuracy on other wines {search.score(X_test, y_test):.2f}")

codes = isthmus.AutoEncoder(z_size=2, random_state=0, contamination=0.05).set_output(transform="pandas")
print(codes.fit_transform(X_train).head(3))
print(codes.inverse_transform(codes.transform(X_test))[["alcohol", "ash", "hue"]].head(3))

spoilt = X_test.copy()
spoilt["alcohol"] = X_test["alcohol"].to_numpy()[::-1]  # one column in the wrong order: each value by itself is normal
for name, wines in (("as they are", X_test), ("one column reversed", spoilt)):
    share, score = (codes.predict(wines) == -1).mean(), codes.score_samples(wines).mean()
    print(f"wines {name}: {share:.0%} outliers, mean score {score:.2f}")
