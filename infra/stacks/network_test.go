package stacks_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// ways lists the VPC endpoints that a streamer needs in a subnet without other routes, by the service of its roles'
// permissions. Images' layers are in S3. Credentials and the task's metadata come from link-local addresses, and
// Fargate reaches ECS on its own (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html).
var ways = map[string][]string{
	"dynamodb": {"dynamodb"}, "sqs": {"sqs"}, "kms": {"kms"}, "logs": {"logs"},
	"elasticloadbalancing": {"elasticloadbalancing"},
	"ecr":                  {"ecr.api", "ecr.dkr", "s3"},
}

func TestAStreamerReachesWhateverItMayAskFor(t *testing.T) {
	network := all(t)["../../infra/stacks/network.yaml"]
	if network == nil {
		t.Fatal("there is no template of the network")
	}
	present := make(map[string]bool)
	for id, r := range network.Resources {
		if r.Type != "AWS::EC2::VPCEndpoint" {
			continue
		}
		name, _ := r.Properties["ServiceName"].(map[string]any)
		service := strings.TrimPrefix(fmt.Sprint(name["Fn::Sub"]), "com.amazonaws.${AWS::Region}.")
		present[service] = true
		switch r.Properties["VpcEndpointType"] {
		case "Gateway": // in the route tables of all private subnets
			if routes, _ := r.Properties["RouteTableIds"].([]any); len(routes) != 3 ||
				!slices.Contains([]string{"dynamodb", "s3"}, service) {
				t.Errorf("the gateway endpoint %s is %v, want all three route tables", id, r.Properties)
			}
		case "Interface": // with the DNS name that the SDK uses, in all private subnets
			subnets, _ := r.Properties["SubnetIds"].([]any)
			groups := fmt.Sprint(r.Properties["SecurityGroupIds"])
			if len(subnets) != 3 || r.Properties["PrivateDnsEnabled"] != true ||
				!strings.Contains(groups, "EndpointSecurityGroup") {
				t.Errorf("the interface endpoint %s is %v, want all three subnets, private DNS and the group of "+
					"endpoints", id, r.Properties)
			}
		default:
			t.Errorf("the endpoint %s has the unknown type %v", id, r.Properties["VpcEndpointType"])
		}
	}
	needed := neededWays(t)
	for way := range needed {
		if !present[way] {
			t.Errorf("the tasks need an endpoint for %s, and there is none", way)
		}
	}
	for way := range present {
		if !needed[way] {
			t.Errorf("the endpoint for %s is not needed, but billed by the hour", way)
		}
	}
	in := fmt.Sprint(network.Resources["EndpointSecurityGroup"].Properties["SecurityGroupIngress"])
	if !strings.Contains(in, "TaskSecurityGroup") || !strings.Contains(in, "443") {
		t.Errorf("the endpoints allow ingress from %s, want port 443 of the tasks", in)
	}
	out := fmt.Sprint(network.Resources["TaskSecurityGroup"].Properties["SecurityGroupEgress"])
	if !strings.Contains(out, "443") {
		t.Errorf("the tasks' egress is %s, want port 443", out)
	}
}

// neededWays returns the endpoints for the services that the roles of a streamer may call.
func neededWays(t *testing.T) map[string]bool {
	t.Helper()
	needed := make(map[string]bool)
	for _, s := range statements(t) {
		if s.owner != "TaskRole" && s.owner != "ExecutionRole" || s.raw["Principal"] != nil {
			continue
		}
		for _, a := range s.actions {
			service, _, _ := strings.Cut(a, ":")
			if len(ways[service]) == 0 {
				t.Errorf("the test does not list the endpoints of %s", service)
			}
			for _, way := range ways[service] {
				needed[way] = true
			}
		}
	}
	return needed
}

// A permission that is bound to the table does not allow direct calls of KMS: roles that seal and open secrets have
// one without that condition.
func TestWhoOpensSecretsMayAskTheKeyItself(t *testing.T) {
	direct, byTable := make(map[string]bool), make(map[string]bool)
	for _, s := range statements(t) {
		if !slices.Contains(s.actions, "kms:Decrypt") || s.owner == "Key" {
			continue
		}
		if s.raw["Condition"] == nil {
			direct[s.owner] = slices.Contains(s.actions, "kms:GenerateDataKey")
		} else if strings.Contains(fmt.Sprint(s.raw["Condition"]), "dynamodb.${AWS::Region}.amazonaws.com") {
			byTable[s.owner] = true
		}
	}
	d := deploy(t)
	roles := map[string]map[string]string{"TaskRole": d.Tasks[0].Environment}
	for _, f := range d.Functions {
		roles[strings.ToUpper(f.Name[:1])+f.Name[1:]+"Role"] = f.Environment
	}
	for role, environment := range roles {
		if _, asks := environment["HOOKCAST_KMS_KEY"]; asks != direct[role] {
			t.Errorf("%s has the key in its environment: %v, but may use it: %v", role, asks, direct[role])
		}
		if !byTable[role] {
			t.Errorf("%s must be allowed to read a table that is encrypted with the key", role)
		}
	}
}
