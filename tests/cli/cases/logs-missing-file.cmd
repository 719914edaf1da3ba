fairvisor logs nowhere.log
