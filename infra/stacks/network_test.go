package stacks_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// ways are the endpoints that a streamer needs where its subnet leads nowhere else, by the service that a right of its roles is for. Images' layers
// are in S3. Credentials and the task's own metadata come over link-local addresses, and Fargate reaches ECS by ways of its own
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html).
var ways = map[string][]string{
	"dynamodb": {"dynamodb"}, "sqs": {"sqs"}, "kms": {"kms"}, "logs": {"logs"}, "elasticloadbalancing": {"elasticloadbalancing"},
	"ecr": {"ecr.api", "ecr.dkr", "s3"},
}

func TestAStreamerReachesWhateverItMayAskFor(t *testing.T) {
	network := all(t)["../../infra/stacks/network.yaml"]
	if network == nil {
		t.Fatal("no template of the network")
	}
	there := make(map[string]bool)
	for id, r := range network.Resources {
		if r.Type != "AWS::EC2::VPCEndpoint" {
			continue
		}
		name, _ := r.Properties["ServiceName"].(map[string]any)
		service := strings.TrimPrefix(fmt.Sprint(name["Fn::Sub"]), "com.amazonaws.${AWS::Region}.")
		there[service] = true
		switch r.Properties["VpcEndpointType"] {
		case "Gateway": // by the routes of every private subnet
			if routes, _ := r.Properties["RouteTableIds"].([]any); len(routes) != 3 || !slices.Contains([]string{"dynamodb", "s3"}, service) {
				t.Errorf("%s: %v", id, r.Properties)
			}
		case "Interface": // by the name that the SDK asks for anyway, in every private subnet
			subnets, _ := r.Properties["SubnetIds"].([]any)
			groups := fmt.Sprint(r.Properties["SecurityGroupIds"])
			if len(subnets) != 3 || r.Properties["PrivateDnsEnabled"] != true || !strings.Contains(groups, "EndpointSecurityGroup") {
				t.Errorf("%s: %v", id, r.Properties)
			}
		default:
			t.Errorf("%s is of type %v", id, r.Properties["VpcEndpointType"])
		}
	}
	needed := make(map[string]bool)
	for _, s := range statements(t) {
		if s.owner != "TaskRole" && s.owner != "ExecutionRole" || s.raw["Principal"] != nil {
			continue
		}
		for _, a := range s.actions {
			service, _, _ := strings.Cut(a, ":")
			if len(ways[service]) == 0 {
				t.Errorf("nobody has said by what way %s is reached", service)
			}
			for _, way := range ways[service] {
				needed[way] = true
				if !there[way] {
					t.Errorf("%s may be asked for, and there is no way to %s", a, way)
				}
			}
		}
	}
	for way := range there {
		if !needed[way] {
			t.Errorf("a way to %s, which nobody needs, is paid for by the hour", way)
		}
	}
	if in := fmt.Sprint(network.Resources["EndpointSecurityGroup"].Properties["SecurityGroupIngress"]); !strings.Contains(in, "TaskSecurityGroup") || !strings.Contains(in, "443") {
		t.Errorf("endpoints let in %s", in)
	}
	if out := fmt.Sprint(network.Resources["TaskSecurityGroup"].Properties["SecurityGroupEgress"]); !strings.Contains(out, "443") {
		t.Errorf("streamers may go out to %s", out)
	}
}

// A right that holds only by way of the table is none to ask KMS oneself: whoever seals and opens secrets has one without that condition.
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
			t.Errorf("%s is given the key: %v, and may ask it: %v", role, asks, direct[role])
		}
		if !byTable[role] {
			t.Errorf("%s may not read a table that is under the key", role)
		}
	}
}
