-- Beside `mainspring` (the ledger and Feast's registry), which the server's first start makes.
CREATE DATABASE prefect;
CREATE DATABASE mlflow;
