FAIRVISOR_CONFIG_FILE=$PWD/bundles/nowhere.json fairvisor explain -c /dev/null GET / 2>&1 | sed "s|$PWD|HERE|"
