"""The reminder engine."""

import gc
import os

# What is imported stays, and to look for garbage among it is a seventh of a cold start. Lambda alone sets the variable;
# the first invocation lets the collector begin (`runtime.bootstrap.runtime`).
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:
    gc.disable()
