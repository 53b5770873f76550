"""Whether the deployment files say what they mean: each module returns problems as sentences, none when all is well."""

SERVICES = ("inference", "feature_logging", "drift_detection", "retrain_trigger", "governance")
