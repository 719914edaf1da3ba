FAIRVISOR_INSTANSE=x fairvisor status -c /dev/null
