fairvisor kill header:x-key 1 --for soon
