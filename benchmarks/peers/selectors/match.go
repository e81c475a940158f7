package main

import "strings"

// Requirement is one entry of tagSelectors. The peers know the dash as the only separator and no
// declared keys: the workload needs neither, and it makes them faster.
type Requirement struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"`
	Values   []string `json:"values"`
}

// matcher decides whether a device with these tags meets all requirements.
type matcher func(tags []string, selector []Requirement) bool

// mapMatches is what controllers commonly do: for each requirement it puts the device's tags into
// a fresh map, joins key and value for each look-up, and scans the map for a key alone.
func mapMatches(tags []string, selector []Requirement) bool {
	for _, requirement := range selector {
		present := make(map[string]bool)
		for _, tag := range tags {
			present[tag] = true
		}
		if !mapMeets(present, requirement) {
			return false
		}
	}
	return len(selector) > 0
}

func mapMeets(present map[string]bool, requirement Requirement) bool {
	switch requirement.Operator {
	case "In":
		return mapHasValue(present, requirement)
	case "NotIn":
		return !mapHasValue(present, requirement)
	case "Exists":
		return mapHasKey(present, requirement.Key)
	case "DoesNotExist":
		return !mapHasKey(present, requirement.Key)
	}
	panic("unknown operator " + requirement.Operator)
}

func mapHasValue(present map[string]bool, requirement Requirement) bool {
	for _, value := range requirement.Values {
		tag := "tag:" + requirement.Key
		if value != "" {
			tag += "-" + value
		}
		if present[tag] {
			return true
		}
	}
	return false
}

func mapHasKey(present map[string]bool, key string) bool {
	if present["tag:"+key] {
		return true
	}
	for tag := range present {
		if strings.HasPrefix(tag, "tag:"+key+"-") {
			return true
		}
	}
	return false
}

// scanMatches reads the tags in place and allocates nothing.
func scanMatches(tags []string, selector []Requirement) bool {
	for i := range selector {
		if !scanMeets(tags, &selector[i]) {
			return false
		}
	}
	return len(selector) > 0
}

func scanMeets(tags []string, requirement *Requirement) bool {
	negated := requirement.Operator == "NotIn" || requirement.Operator == "DoesNotExist"
	for _, tag := range tags {
		value, found := valueOf(tag, requirement.Key)
		if !found {
			continue
		}
		if len(requirement.Values) == 0 {
			return !negated
		}
		for _, listed := range requirement.Values {
			if value == listed {
				return !negated
			}
		}
	}
	return negated
}

func valueOf(tag, key string) (string, bool) {
	const prefix = len("tag:")
	end := prefix + len(key)
	if len(tag) < end || tag[prefix:end] != key {
		return "", false
	}
	if len(tag) == end {
		return "", true
	}
	if tag[end] != '-' {
		return "", false
	}
	return tag[end+1:], true
}
