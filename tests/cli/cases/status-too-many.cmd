fairvisor status now
