fairvisor kill host https://x.com
