fairvisor explain -c /dev/null --bundle bundles/warned.json GET / -H 'X-Api-Key: k' -H 'X-Cost: 9' --json | sed 's/^.*"verdict"/"verdict"/; s/"reset_seconds":[0-9.]*/"reset_seconds":0/'
