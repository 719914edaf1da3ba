FAIRVISOR_MDOE=x fairvisor status -c /dev/null
