//! A writer schema as an arena of nodes. Read here and not by `apache-avro`, because that drops what Connect
//! says of a primitive type (`connect.name`), which tells a timestamp from a number.

use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::json::tree;
use crate::scalar::Encoding;

/// Bytes of a name with its namespace. Every type inside a namespace repeats it.
const NAME_BYTES_MAX: usize = 1024;

/// Index of a node in its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeId(u32);

/// One type of a writer schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Null,
    Bool,
    /// `int` and `long`: the same bytes.
    Integer,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Box<[Box<str>]>),
    Array(NodeId),
    Map(NodeId),
    Union(Box<[NodeId]>),
    Record(Record),
}

/// A record type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Names and types, in order.
    pub(crate) fields: Box<[(Box<str>, NodeId)]>,
    /// Names of fields with a default that is not null, and it.
    pub(crate) defaults: Box<[(Box<str>, Value)]>,
    /// Connect's structure of a decimal with its own scale.
    pub(crate) is_scaled_decimal: bool,
}

/// A compiled writer schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WriterSchema {
    nodes: Vec<(Node, Encoding)>,
    root: NodeId,
    parts: usize,
    text_bytes: usize,
}

impl WriterSchema {
    /// From a schema's JSON, with `parts_max` types, fields, symbols and union branches.
    ///
    /// # Errors
    /// What is wrong, in words about the schema.
    pub(crate) fn compile(json: &str, parts_max: usize) -> Result<Self, String> {
        if !tree::is_bounded(json.as_bytes()) {
            return Err("too many objects or values".to_owned());
        }
        let json: Value = serde_json::from_str(json).map_err(|err| format!("not JSON: {err}"))?;
        let mut compiler = Compiler {
            parts_max,
            ..Compiler::default()
        };
        let root = compiler.add(&json, "")?;
        Ok(Self {
            nodes: compiler.nodes,
            root,
            parts: compiler.parts,
            text_bytes: compiler.text_bytes,
        })
    }

    /// Types, fields, symbols and union branches.
    pub(crate) fn parts(&self) -> usize {
        self.parts
    }

    /// Its memory in bytes, estimated from above.
    pub(crate) fn bytes(&self) -> usize {
        self.parts * PART_BYTES + self.text_bytes
    }

    /// The whole datum's type.
    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    /// A type, and what Connect says of it.
    pub(crate) fn node(&self, id: NodeId) -> (&Node, Encoding) {
        match self.nodes.get(id.0 as usize) {
            Some((node, encoding)) => (node, *encoding),
            None => (&Node::Null, Encoding::Plain),
        }
    }

    /// Of a union of two with one null: the number of the branch that is null, and the other branch.
    pub(crate) fn optional(&self, id: NodeId) -> Option<(u8, NodeId)> {
        let Node::Union(branches) = self.node(id).0 else {
            return None;
        };
        let is_null = |id: NodeId| *self.node(id).0 == Node::Null;
        match **branches {
            [null, value] if is_null(null) => Some((0, value)),
            [value, null] if is_null(null) => Some((1, value)),
            _ => None,
        }
    }

    /// The record type at `id`, through an optional union.
    pub(crate) fn record(&self, id: NodeId) -> Option<(NodeId, &Record)> {
        match self.node(id).0 {
            Node::Record(record) => Some((id, record)),
            Node::Union(branches) => {
                branches
                    .iter()
                    .find_map(|&branch| match self.node(branch).0 {
                        Node::Record(record) => Some((branch, record)),
                        _ => None,
                    })
            }
            _ => None,
        }
    }
}

/// Memory of a type, a field, a symbol or a branch: two nodes, since a growing list takes up to twice its length,
/// and what the allocator adds.
const PART_BYTES: usize = 2 * size_of::<(Node, Encoding)>() + 32;

#[derive(Debug, Default)]
struct Compiler {
    nodes: Vec<(Node, Encoding)>,
    named: FxHashMap<String, NodeId>,
    parts: usize,
    parts_max: usize,
    /// Bytes of names and symbols.
    text_bytes: usize,
}

impl Compiler {
    fn count(&mut self, parts: usize) -> Result<(), String> {
        self.parts += parts;
        if self.parts > self.parts_max {
            return Err(format!(
                "more than {} types, fields, symbols and union branches",
                self.parts_max
            ));
        }
        Ok(())
    }

    fn add(&mut self, json: &Value, namespace: &str) -> Result<NodeId, String> {
        self.count(1)?;
        match json {
            Value::String(name) => match primitive(name) {
                Some(node) => Ok(self.push(node, Encoding::Plain)),
                None => self.reference(name, namespace),
            },
            Value::Array(branches) => {
                self.count(branches.len())?;
                let branches: Result<Box<[_]>, _> = branches
                    .iter()
                    .map(|branch| self.add(branch, namespace))
                    .collect();
                Ok(self.push(Node::Union(branches?), Encoding::Plain))
            }
            Value::Object(_) => self.add_object(json, namespace),
            _ => Err("a type is neither a name, a union nor an object".to_owned()),
        }
    }

    fn add_object(&mut self, json: &Value, namespace: &str) -> Result<NodeId, String> {
        let kind = json.get("type").ok_or("a type without `type`")?;
        let Some(kind) = kind.as_str() else {
            return self.add(kind, namespace);
        };
        match kind {
            "record" | "error" => self.add_record(json, namespace),
            "enum" => {
                let symbols = json.get("symbols").and_then(Value::as_array);
                let symbols = symbols.ok_or("an enum without symbols")?;
                self.count(symbols.len())?;
                let symbols = symbols.iter().filter_map(Value::as_str);
                self.text_bytes += symbols.clone().map(str::len).sum::<usize>();
                let symbols = symbols.map(Box::from).collect();
                self.add_named(json, namespace, Node::Enum(symbols))
            }
            "fixed" => {
                let size = json.get("size").and_then(Value::as_u64);
                let size = size.and_then(|size| usize::try_from(size).ok());
                let size = size.ok_or("a fixed type without size")?;
                self.add_named(json, namespace, Node::Fixed(size))
            }
            "array" => {
                let items = json.get("items").ok_or("an array without items")?;
                let items = self.add(items, namespace)?;
                Ok(self.push(Node::Array(items), Encoding::Plain))
            }
            "map" => {
                let values = json.get("values").ok_or("a map without values")?;
                let values = self.add(values, namespace)?;
                Ok(self.push(Node::Map(values), Encoding::Plain))
            }
            name => match primitive(name) {
                Some(node) => Ok(self.push(node, encoding(json))),
                None => self.reference(name, namespace),
            },
        }
    }

    fn add_record(&mut self, json: &Value, namespace: &str) -> Result<NodeId, String> {
        let placeholder = Node::Record(Record {
            fields: Box::default(),
            defaults: Box::default(),
            is_scaled_decimal: false,
        });
        // Named before its fields are read: they may refer to it.
        let id = self.add_named(json, namespace, placeholder)?;
        let own = namespace_of(json, namespace);
        check_name(own.len())?;
        let fields = json.get("fields").and_then(Value::as_array);
        let (mut compiled, mut defaults) = (Vec::new(), Vec::new());
        for field in fields.ok_or("a record without fields")? {
            let name = field.get("name").and_then(Value::as_str);
            let name = name.ok_or("a field without a name")?;
            let kind = field.get("type").ok_or("a field without a type")?;
            self.count(1)?;
            self.text_bytes += name.len();
            compiled.push((Box::from(name), self.add(kind, &own)?));
            let default = field.get("default").filter(|it| !it.is_null());
            if let Some(default) = default.or_else(|| connect_default(kind)) {
                defaults.push((Box::from(name), default.clone()));
            }
        }
        let is_plain = |(_, id): &(Box<str>, NodeId)| {
            let node = self.nodes.get(id.0 as usize).map(|(node, _)| node);
            matches!(node, Some(Node::Integer | Node::Bytes))
        };
        let is_scaled_decimal = connect_name(json) == Some("io.debezium.data.VariableScaleDecimal")
            && compiled.iter().all(is_plain);
        if let Some(place) = self.nodes.get_mut(id.0 as usize) {
            place.0 = Node::Record(Record {
                fields: compiled.into_boxed_slice(),
                defaults: defaults.into_boxed_slice(),
                is_scaled_decimal,
            });
        }
        Ok(id)
    }

    fn add_named(&mut self, json: &Value, namespace: &str, node: Node) -> Result<NodeId, String> {
        let id = self.push(node, encoding(json));
        if let Some(name) = json.get("name").and_then(Value::as_str) {
            let namespace = namespace_of(json, namespace);
            check_name(name.len() + namespace.len())?;
            self.named.insert(full_name(name, &namespace), id);
        }
        Ok(id)
    }

    fn reference(&self, name: &str, namespace: &str) -> Result<NodeId, String> {
        let full = full_name(name, namespace);
        let known = self.named.get(&full).or_else(|| self.named.get(name));
        known
            .copied()
            .ok_or_else(|| format!("the type {name:?} is not defined"))
    }

    fn push(&mut self, node: Node, encoding: Encoding) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push((node, encoding));
        id
    }
}

fn check_name(bytes: usize) -> Result<(), String> {
    match bytes > NAME_BYTES_MAX {
        true => Err(format!("a name of more than {NAME_BYTES_MAX} bytes")),
        false => Ok(()),
    }
}

fn primitive(name: &str) -> Option<Node> {
    Some(match name {
        "null" => Node::Null,
        "boolean" => Node::Bool,
        "int" | "long" => Node::Integer,
        "float" => Node::Float,
        "double" => Node::Double,
        "bytes" => Node::Bytes,
        "string" => Node::Text,
        _ => return None,
    })
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

/// The namespace that a named type sets for what stands inside it.
fn namespace_of(json: &Value, enclosing: &str) -> String {
    let name = json.get("name").and_then(Value::as_str).unwrap_or_default();
    if let Some((namespace, _)) = name.rsplit_once('.') {
        return namespace.to_owned();
    }
    let own = json.get("namespace").and_then(Value::as_str);
    own.unwrap_or(enclosing).to_owned()
}

fn connect_name(json: &Value) -> Option<&str> {
    json.get("connect.name").and_then(Value::as_str)
}

/// What Connect says of the default of a type, or of a branch of a union.
fn connect_default(kind: &Value) -> Option<&Value> {
    match kind {
        Value::Array(branches) => branches.iter().find_map(connect_default),
        _ => kind.get("connect.default").filter(|it| !it.is_null()),
    }
}

fn encoding(json: &Value) -> Encoding {
    let parameter = |name: &str| json.get("connect.parameters")?.get(name);
    if let Some(encoding) = Encoding::of_connect_parameters(|name| parameter(name).is_some()) {
        return encoding;
    }
    let parameter = parameter("scale")
        .and_then(Value::as_str)
        .and_then(|scale| scale.parse().ok());
    let own = json.get("scale").and_then(Value::as_i64);
    let scale = own
        .and_then(|scale| i32::try_from(scale).ok())
        .or(parameter);
    if let Some(name) = connect_name(json) {
        return Encoding::of_connect_name(name, scale);
    }
    match json.get("logicalType").and_then(Value::as_str) {
        Some(name) => Encoding::of_avro_logical_type(name, scale),
        None => Encoding::Plain,
    }
}

#[cfg(test)]
mod tests;
