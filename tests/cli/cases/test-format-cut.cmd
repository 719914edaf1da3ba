printf "log_format x '[\$msec] \$uri" | fairvisor test -c /dev/null bundles/replay.json --requests logs/custom.log --log-format @-
