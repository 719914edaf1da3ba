fairvisor test -c /dev/null bundles/replay.json --requests logs/custom.log --log-format '[$msec] $request_method $uri "$args" host=$host key="${http_x_api_key}" took $request_time'
