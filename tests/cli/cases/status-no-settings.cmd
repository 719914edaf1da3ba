fairvisor status -c nowhere.conf
