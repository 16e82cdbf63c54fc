"""Replay of retraining policies on history: the production loop in logical time, without a server.

plan.py             use case, period, pinned lake, and the steps of each policy
shared_training.py  features joined once and trainings done once for all policies
simulate.py         the steps of the flows, with the same functions
policy_worker.py    one policy in its own process: python -m tasks.replay.policy_worker FOLDER
progress.py         steps done and CPU seconds spent by that process
run.py              the whole replay, from the command's arguments to finished policies
policy_results.py   results of a policy; policy_metrics.py and compare.py measure them
tables.py, chart.py, report.py, mlflow_log.py   outputs: tables, PNG, HTML, MLflow
"""
