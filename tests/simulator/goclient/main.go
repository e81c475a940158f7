// Command goclient drives Tailscale's own Go client, unchanged, against the simulator.
//
// It reads TS_BASE_URL, TS_API_KEY, TS_API_CLIENT_ID and TS_API_CLIENT_SECRET, and prints one JSON
// object of everything it saw, for the test to judge.
package main

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"time"

	"tailscale.com/client/tailscale/v2"
)

type seen struct {
	Listed       []string `json:"listed"`
	Filtered     []string `json:"filtered"`
	AllFields    []string `json:"routesOfRouter"`
	ByNodeID     string   `json:"byNodeID"`
	ByLegacyID   string   `json:"byLegacyID"`
	Unknown      bool     `json:"unknownDeviceIsNotFound"`
	WrongKey     string   `json:"wrongKey"`
	WrongSecret  string   `json:"wrongSecret"`
	OAuthListed  int      `json:"listedWithOAuth"`
	Created      service  `json:"created"`
	Services     []string `json:"services"`
	UpdateError  string   `json:"updateWithoutAddrs"`
	Updated      service  `json:"updated"`
	DeletedTwice bool     `json:"deletedTwiceIsNotFound"`
	GoneNotFound bool     `json:"deletedServiceIsNotFound"`
}

type service struct {
	Name        string            `json:"name"`
	Addrs       []string          `json:"addrs"`
	Ports       []string          `json:"ports"`
	Tags        []string          `json:"tags"`
	Annotations map[string]string `json:"annotations"`
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var report seen
	withKey := client(&tailscale.Client{APIKey: os.Getenv("TS_API_KEY")})
	devices(ctx, withKey, &report)
	services(ctx, withKey, &report)
	credentials(ctx, &report)
	must(json.NewEncoder(os.Stdout).Encode(report))
}

func client(c *tailscale.Client) *tailscale.Client {
	base, err := url.Parse(os.Getenv("TS_BASE_URL"))
	must(err)
	c.BaseURL, c.Tailnet = base, "-"
	return c
}

func devices(ctx context.Context, c *tailscale.Client, report *seen) {
	all, err := c.Devices().ListWithAllFields(ctx)
	must(err)
	for _, device := range all {
		report.Listed = append(report.Listed, device.Name)
		if len(device.EnabledRoutes) > 0 {
			report.AllFields = append(report.AllFields, device.EnabledRoutes...)
		}
	}
	tags := []string{"tag:env-staging", "tag:service-type-api"}
	some, err := c.Devices().List(ctx, tailscale.WithFilter("tags", tags))
	must(err)
	for _, device := range some {
		report.Filtered = append(report.Filtered, device.Name)
	}
	one, err := c.Devices().Get(ctx, all[0].NodeID)
	must(err)
	report.ByNodeID = one.Name
	one, err = c.Devices().Get(ctx, all[0].ID)
	must(err)
	report.ByLegacyID = one.Name
	_, err = c.Devices().Get(ctx, "nNOBODY")
	report.Unknown = tailscale.IsNotFound(err)
}

func services(ctx context.Context, c *tailscale.Client, report *seen) {
	wanted := tailscale.Service{
		Name:        "svc:made-by-go",
		Ports:       []string{"tcp:443"},
		Tags:        []string{"tag:env-production", "tag:service-type-api"},
		Annotations: map[string]string{"owner": "go"},
	}
	must(c.Services().CreateOrUpdate(ctx, wanted))
	stored, err := c.Services().Get(ctx, wanted.Name)
	must(err)
	report.Created = as(stored)
	list, err := c.Services().List(ctx)
	must(err)
	for _, one := range list {
		report.Services = append(report.Services, one.Name)
	}
	wanted.Ports = []string{"tcp:8443"}
	report.UpdateError = text(c.Services().CreateOrUpdate(ctx, wanted))
	wanted.Addrs = stored.Addrs
	must(c.Services().CreateOrUpdate(ctx, wanted))
	stored, err = c.Services().Get(ctx, wanted.Name)
	must(err)
	report.Updated = as(stored)
	must(c.Services().Delete(ctx, wanted.Name))
	report.DeletedTwice = tailscale.IsNotFound(c.Services().Delete(ctx, wanted.Name))
	_, err = c.Services().Get(ctx, wanted.Name)
	report.GoneNotFound = tailscale.IsNotFound(err)
}

func credentials(ctx context.Context, report *seen) {
	identity, secret := os.Getenv("TS_API_CLIENT_ID"), os.Getenv("TS_API_CLIENT_SECRET")
	right := client(&tailscale.Client{Auth: &tailscale.OAuth{ClientID: identity, ClientSecret: secret}})
	all, err := right.Devices().List(ctx)
	must(err)
	report.OAuthListed = len(all)
	wrong := client(&tailscale.Client{Auth: &tailscale.OAuth{ClientID: identity, ClientSecret: "wrong"}})
	_, err = wrong.Devices().List(ctx)
	report.WrongSecret = text(err)
	_, err = client(&tailscale.Client{APIKey: "tskey-api-wrong"}).Devices().List(ctx)
	report.WrongKey = text(err)
}

func as(s *tailscale.Service) service {
	return service{s.Name, s.Addrs, s.Ports, s.Tags, s.Annotations}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
